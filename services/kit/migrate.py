"""Brings a service's database to its newest version: the kit's SQL files, then the service's, in order, each once, as the owner.

A file that was applied may not change: its checksum is kept and compared.
"""

import hashlib
from pathlib import Path

import asyncpg

KIT = Path(__file__).parent / "migrations"


class ChangedMigration(RuntimeError):
    """A migration was edited after it had been applied: write a new one instead."""


async def migrate(url_owner: str, folder: Path) -> list[str]:
    """Applies what is new and returns its names. Two at once wait for each other."""
    conn = await asyncpg.connect(url_owner, server_settings={"application_name": "migrate"})
    try:
        await conn.execute("select pg_advisory_lock(7263554)")
        await conn.execute(
            "create table if not exists public.migration (name text primary key, sha256 text not null, applied_at timestamptz not null default now())"
        )
        known = {row["name"]: row["sha256"] for row in await conn.fetch("select name, sha256 from public.migration")}
        applied = []
        for file in [*sorted(KIT.glob("*.sql")), *sorted(folder.glob("*.sql"))]:
            name = f"{'kit' if file.parent == KIT else 'service'}/{file.name}"
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            if name in known:
                if known[name] != digest:
                    raise ChangedMigration(f"{name} was edited after it had been applied: restore it and write a new file")
                continue
            async with conn.transaction():
                await conn.execute(file.read_text())
                await conn.execute("insert into public.migration (name, sha256) values ($1, $2)", name, digest)
            applied.append(name)
        return applied
    finally:
        await conn.close()
