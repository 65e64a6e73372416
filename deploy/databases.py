"""A database per service, with three roles: owner migrates, staff serves agents and workers, outside serves everybody else."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

import asyncpg

from deploy.passwords import password

ROLES = ("owner", "staff", "outside")
PATIENCE = {"statement_timeout": "15s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "10s"}


@dataclass(frozen=True)
class Database:
    """Addresses that asyncpg accepts, one per role."""

    owner: str
    staff: str
    outside: str


async def ensure(superuser_url: str, secrets: Path, services: Iterable[str]) -> dict[str, Database]:
    """Makes databases, roles and grants, or brings existing ones to what is declared; data stays. Passwords live in `secrets`."""
    services = list(services)
    server = await asyncpg.connect(superuser_url)
    try:
        for service in services:
            await _roles(server, service, secrets)
            await _database(server, service)
    finally:
        await server.close()
    await asyncio.gather(*(_grants(superuser_url, service) for service in services))
    return {service: addresses(superuser_url, secrets, service) for service in services}


async def _roles(server: asyncpg.Connection, service: str, secrets: Path) -> None:
    for role in ROLES:
        name = f"{service}_{role}"
        if not await server.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", name):
            await server.execute(f"CREATE ROLE {name}")
        secret = password(secrets, f"postgres-{name}")  # letters, digits, - and _
        await server.execute(f"ALTER ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '{secret}'")
        if role != "owner":
            for setting, value in PATIENCE.items():
                await server.execute(f"ALTER ROLE {name} SET {setting} = '{value}'")


async def _database(server: asyncpg.Connection, service: str) -> None:
    name = f"entraide_{service}"
    if not await server.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
        await server.execute(f"CREATE DATABASE {name} OWNER {service}_owner TEMPLATE template0")
    await server.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
    await server.execute(f"GRANT CONNECT ON DATABASE {name} TO {service}_staff, {service}_outside")


async def _grants(superuser_url: str, service: str) -> None:
    """For what exists and, as default privileges, for what the owner will create."""
    callers = f"{service}_staff, {service}_outside"
    connection = await asyncpg.connect(_with(superuser_url, database=f"entraide_{service}"))
    try:
        await connection.execute(
            f"""
            ALTER SCHEMA public OWNER TO {service}_owner;
            REVOKE ALL ON SCHEMA public FROM PUBLIC;
            GRANT USAGE ON SCHEMA public TO {callers};
            SET ROLE {service}_owner;
            ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
            ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO {callers};
            ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {callers};
            ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {callers};
            ALTER DEFAULT PRIVILEGES GRANT USAGE, SELECT ON SEQUENCES TO {callers};
            """
        )
    finally:
        await connection.close()


def addresses(server_url: str, secrets: Path, service: str) -> Database:
    def address(role: str) -> str:
        name = f"{service}_{role}"
        return _with(server_url, database=f"entraide_{service}", user=name, secret=password(secrets, f"postgres-{name}"))

    return Database(owner=address("owner"), staff=address("staff"), outside=address("outside"))


def _with(url: str, *, database: str, user: str | None = None, secret: str = "") -> str:
    """The same server, another database, and another user when one is named."""
    parts: SplitResult = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    netloc = parts.netloc if user is None else f"{quote(user)}:{quote(secret)}@{place}"
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}"))
