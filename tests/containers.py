"""PostgreSQL and Kafka in containers for the whole run, where a Docker engine answers.

ENTRAIDE_TEST_ENGINES: `containers`, `embedded`, or `auto`: containers where an engine answers.
"""

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import yaml
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import ExecWaitStrategy

from deploy.embedded.postgres import SETTINGS
from deploy.embedded.process import free_port
from deploy.passwords import password
from deploy.setup import admit_admin
from deploy.topics import Broker

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OLDEST_API = "1.41"  # Docker 20.10
POSTGRES_IMAGE = os.environ.get("POSTGRES_IMAGE", "postgres:18")
KAFKA_IMAGE = os.environ.get("KAFKA_IMAGE", "apache/kafka:4.3.1")


def engine_answers() -> bool:
    address = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    if address.scheme == "unix":
        with socket.socket(socket.AF_UNIX) as probe:  # docker's client leaves a socket open where nobody answers
            if probe.connect_ex(address.path):
                return False
    with closing(docker.from_env(version=OLDEST_API, timeout=10)) as client:
        try:
            return bool(client.ping())
        except (DockerException, OSError):
            return False


def wanted() -> bool:
    chosen = os.environ.get("ENTRAIDE_TEST_ENGINES", "auto")
    return chosen == "containers" or (chosen == "auto" and engine_answers())


@asynccontextmanager
async def engines() -> AsyncIterator[dict[str, str]]:
    """The settings by which `Stack.up` uses them in place of its own."""
    with tempfile.TemporaryDirectory(prefix="entraide-") as scratch:
        secret = _secret(Path(scratch))
        port, inside = free_port(), free_port()
        broker = Broker(f"127.0.0.1:{port}", "admin", secret)
        postgres, kafka = _postgres(secret), _kafka(Path(scratch), port, inside)
        try:
            await asyncio.gather(asyncio.to_thread(postgres.start), asyncio.to_thread(kafka.start))
            await asyncio.to_thread(admit_admin, f"127.0.0.1:{inside}", broker)
            yield {
                "ENTRAIDE_POSTGRES_URL": f"postgresql://postgres:{secret}@127.0.0.1:{_published(postgres)}/postgres",
                "ENTRAIDE_KAFKA_BOOTSTRAP": broker.bootstrap,
                "ENTRAIDE_KAFKA_ADMIN_USER": broker.user,
                "ENTRAIDE_KAFKA_ADMIN_PASSWORD": secret,
            }
        finally:
            await asyncio.gather(asyncio.to_thread(postgres.stop), asyncio.to_thread(kafka.stop))


def _secret(folder: Path) -> str:
    """Readable inside: the image's user is another than ours."""
    secret = password(folder, "admin")
    folder.chmod(0o755)
    (folder / "admin").chmod(0o644)
    return secret


def _postgres(secret: str) -> DockerContainer:
    """With the settings of the embedded one."""
    words = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    container = DockerContainer(POSTGRES_IMAGE, command=["postgres", *words], env={"POSTGRES_PASSWORD": secret})
    _publish(container, 5432, free_port())
    return container.waiting_for(ExecWaitStrategy(COMPOSE["postgres"]["healthcheck"]["test"][1:]))


def _kafka(secrets: Path, port: int, inside: int) -> DockerContainer:
    """As docker-compose.yml has it, but for its listeners: the same addresses hold within the container and here."""
    listeners = f"CLIENT://:{port},CONTROLLER://:9093,INTERNAL://:{inside}"
    settings = {name: str(value) for name, value in COMPOSE["kafka"]["environment"].items()} | {
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@127.0.0.1:9093",
        "KAFKA_LISTENERS": listeners,
        "KAFKA_ADVERTISED_LISTENERS": f"CLIENT://127.0.0.1:{port},INTERNAL://127.0.0.1:{inside}",
    }
    container = DockerContainer(KAFKA_IMAGE, env=settings).with_kwargs(entrypoint=COMPOSE["kafka"]["entrypoint"])
    container.with_volume_mapping(ROOT / "deploy" / "compose" / "kafka.sh", "/etc/entraide/kafka.sh")
    container.with_volume_mapping(secrets, "/run/secrets")
    for each in (port, inside):
        _publish(container, each, each)
    return container


def _publish(container: DockerContainer, inside: int, outside: int) -> None:
    container.ports[str(inside)] = ("127.0.0.1", outside)  # type: ignore[assignment]  # with_bind_ports would open it to every network


def _published(container: DockerContainer) -> int:
    [(_, port)] = container.ports.values()  # type: ignore[misc]
    return port
