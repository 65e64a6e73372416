"""One place for how we connect to Kafka."""

from typing import Any

from services.kit.settings import ServiceSettings


def connection(settings: ServiceSettings) -> dict[str, Any]:
    """Keyword arguments that every aiokafka client takes."""
    return {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": settings.kafka_user,
        "sasl_plain_password": settings.kafka_password.get_secret_value(),
        "client_id": f"{settings.kafka_user}-{settings.instance}",
        "retry_backoff_ms": 500,  # by default each client knocks ten times a second at a broker that is down, which slows its return
    }
