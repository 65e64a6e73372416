"""The one-shot among the containers makes what the services expect to find; again, it changes nothing: `python -m deploy.setup`."""

import asyncio
import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs re-export without saying so
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from deploy import databases, topics
from deploy.databases import Database
from deploy.passwords import password
from deploy.topics import SERVICES, Broker
from services.gateway import usecases as gateway
from services.gateway.domain import LoginTaken, NewUser
from services.kit import db
from services.kit.migrate import migrate
from services.kit.settings import SECRETS

ROOT = Path(__file__).parent.parent
FIRST_ACCOUNT = "administrator"


async def main() -> None:
    """Raises `TimeoutError` when the broker does not let the admin in, `WrongTopics`, `ChangedMigration`."""
    secrets = Path(os.environ.get("ENTRAIDE_SECRETS_DIR", SECRETS))
    if not (secrets / "kafka-admin").is_file():
        raise SystemExit(f"{secrets} holds no passwords: type `make secrets`")
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(_log, secrets))
        group.create_task(_tables(secrets))


def admit_admin(internal: str, broker: Broker, patience: float = 60) -> None:
    """Gives the admin its SCRAM password, over the listener where it comes in by PLAIN; returns when clients' listener lets it in."""
    upsert = UserScramCredentialUpsertion(broker.user, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), broker.password.encode())
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        inside = AdminClient(replace(broker, bootstrap=internal).settings() | {"sasl.mechanism": "PLAIN"})
        with suppress(KafkaException):
            for future in inside.alter_user_scram_credentials([upsert], request_timeout=5).values():
                future.result(10)
            broker.admin().list_topics(timeout=5)
            return
    raise TimeoutError(f"{internal} does not let {broker.user} in within {patience:.0f} s")


def _log(secrets: Path) -> None:
    broker = Broker(os.environ["ENTRAIDE_KAFKA_BOOTSTRAP"], "admin", password(secrets, "kafka-admin"))
    admit_admin(os.environ["ENTRAIDE_KAFKA_INTERNAL"], broker)
    topics.ensure(broker, secrets)


async def _tables(secrets: Path) -> None:
    superuser = f"postgresql://postgres:{password(secrets, 'postgres-superuser')}@{os.environ['ENTRAIDE_POSTGRES']}/postgres"
    made = await databases.ensure(superuser, secrets, SERVICES)
    async with asyncio.TaskGroup() as group:
        for service, database in made.items():
            group.create_task(migrate(database.owner, ROOT / "services" / service / "migrations"))
    await _first_account(made["gateway"], password(secrets, FIRST_ACCOUNT))


async def _first_account(database: Database, secret: str) -> None:
    """Whoever may add all others. Once it is there, its password is its own business."""
    pool = await db.Database.connect("gateway", database.staff, size=1)
    try:
        with suppress(LoginTaken):
            async with pool.transaction() as tx:
                await gateway.create_user(tx, NewUser(login=FIRST_ACCOUNT, password=secret, name="Administration", roles=("admin",)))
    finally:
        await pool.close()


if __name__ == "__main__":
    asyncio.run(main())
