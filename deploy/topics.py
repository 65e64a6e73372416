"""The declared topics, who may read and write them, and the means to make it so."""

import re
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs re-export without saying so
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from deploy.passwords import password

PARTITIONS = 12
HOUR, DAY = 3_600_000, 86_400_000
FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1"}
COMPACTED = {
    "cleanup.policy": "compact",
    "retention.ms": "-1",
    "segment.ms": str(6 * HOUR),
    "max.compaction.lag.ms": str(6 * HOUR),
    "delete.retention.ms": str(7 * DAY),
}
DELIVERY = {"cleanup.policy": "delete", "retention.ms": str(7 * DAY), "segment.ms": str(DAY)}
NOUNS = {
    "reference": ("principals", "members", "contracts"),
    "dispatch": ("providers",),
    "billing": ("tariffs", "invoices"),
    "gateway": ("users",),
}
SHARED = ("cases", "tasks", "cards")
SERVICES = ("intake", "reference", "dispatch", "tracking", "billing", "gateway")
TOPICS = dict.fromkeys(("cases", *(noun for nouns in NOUNS.values() for noun in nouns), "tasks"), FOR_EVER) | {"cards": COMPACTED}


class WrongTopics(Exception):
    """The broker's topics are not as declared; the text says what to type."""


@dataclass(frozen=True)
class Broker:
    """Where a broker is and as whom to speak to it."""

    bootstrap: str
    user: str
    password: str = field(repr=False)

    def settings(self) -> dict[str, str | int | float | bool]:
        """For confluent-kafka's clients."""
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": self.user,
            "sasl.password": self.password,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 500,
            "log_level": 0,
        }

    def admin(self) -> AdminClient:
        return AdminClient(self.settings())


def ensure(broker: Broker, secrets: Path, *, services: Iterable[str] = SERVICES, partitions: int = PARTITIONS) -> dict[str, str]:
    """Makes what is missing of topics, users and ACLs, and changes nothing else. Returns the password of each service's user."""
    admin = broker.admin()
    _create(
        admin,
        [NewTopic(name, num_partitions=partitions, replication_factor=-1, config=config) for name, config in TOPICS.items()],
    )
    passwords = {service: password(secrets, f"kafka-{service}") for service in services}
    _users(broker, passwords)
    _allow(admin, [acl for service in passwords for acl in _service_acls(service)])
    check(broker, partitions=partitions)
    return passwords


def ensure_provider_topic(broker: Broker, secrets: Path, provider: str) -> Broker:
    """The provider's own topic, its user's password kept in `secrets`."""
    return open_provider_topic(broker, provider, password(secrets, f"kafka-{_reader(provider)}"))


def open_provider_topic(broker: Broker, provider: str, secret: str) -> Broker:
    """The provider's own topic and the user who may read it, under consumer groups that begin with `provider.<id>.`"""
    reader = Broker(broker.bootstrap, _reader(provider), secret)
    admin = broker.admin()
    _create(admin, [NewTopic(f"{reader.user}.missions", num_partitions=1, replication_factor=-1, config=DELIVERY)])
    _users(broker, {reader.user: secret})
    _allow(admin, [_topic(reader.user, AclOperation.READ, f"{reader.user}.missions"), _group(reader.user, f"{reader.user}.")])
    return reader


def _reader(provider: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]+", provider):
        raise ValueError(f"not a provider's id: {provider!r}")
    return f"provider.{provider}"


def check(broker: Broker, *, partitions: int = PARTITIONS) -> None:
    """Raises WrongTopics unless every declared topic has its partitions and its retention."""
    admin = broker.admin()
    found = admin.list_topics(timeout=10).topics
    wrong = [f"{name}: missing, run `entraide up`" for name in TOPICS if name not in found]
    present = [name for name in TOPICS if name in found]
    for name in present:
        if (count := len(found[name].partitions)) != partitions:
            wrong.append(
                f"{name}: {count} partitions, {partitions} declared; the order per key is lost when they change, so keep {count} "
                "or start on an empty broker"
            )
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in present]
    for resource, future in admin.describe_configs(resources).items() if resources else ():
        values = future.result(10)
        for key, value in TOPICS[resource.name].items():
            if values[key].value != value:
                wrong.append(
                    f"{resource.name}: {key} is {values[key].value}, must be {value}; "
                    f"`kafka-configs.sh --alter --topic {resource.name} --add-config {key}={value}`"
                )
    if wrong:
        raise WrongTopics("The topics are not as declared:\n" + "\n".join(wrong))


def _service_acls(service: str) -> list[AclBinding]:
    owned = (*SHARED, *NOUNS.get(service, ()))
    acls = [_topic(service, AclOperation.READ, name) for name in TOPICS]
    acls += [_topic(service, AclOperation.WRITE, name) for name in owned]
    if service == "dispatch":
        acls.append(_topic(service, AclOperation.WRITE, "provider.", ResourcePatternType.PREFIXED))
    cluster = (ResourceType.BROKER, "kafka-cluster", ResourcePatternType.LITERAL)
    return [*acls, _group(service, service), _acl(service, AclOperation.IDEMPOTENT_WRITE, *cluster)]


def _topic(user: str, operation: AclOperation, name: str, pattern: ResourcePatternType = ResourcePatternType.LITERAL) -> AclBinding:
    return _acl(user, operation, ResourceType.TOPIC, name, pattern)


def _group(user: str, prefix: str) -> AclBinding:
    return _acl(user, AclOperation.READ, ResourceType.GROUP, prefix, ResourcePatternType.PREFIXED)


def _acl(user: str, operation: AclOperation, kind: ResourceType, name: str, pattern: ResourcePatternType) -> AclBinding:
    return AclBinding(kind, name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)


def _create(admin: AdminClient, topics: list[NewTopic]) -> None:
    for future in admin.create_topics(topics, operation_timeout=30).values():
        try:
            future.result(40)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def _users(broker: Broker, passwords: dict[str, str]) -> None:
    """Returns once each can sign in: the broker says yes to the change a moment before it knows the new password."""
    if not passwords:
        return
    scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    admin = broker.admin()
    _done(admin.alter_user_scram_credentials([UserScramCredentialUpsertion(user, scram, secret.encode()) for user, secret in passwords.items()]))
    for user, secret in passwords.items():
        Broker(broker.bootstrap, user, secret).admin().list_topics(timeout=20)


def _allow(admin: AdminClient, acls: list[AclBinding]) -> None:
    _done(admin.create_acls(acls))


def _done(futures: dict[Any, Future[Any]]) -> None:
    for future in futures.values():
        future.result(40)
