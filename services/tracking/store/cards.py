"""Copies of cards, labels of organisations, articles of tariffs: what pages show of people, firms and work. Never part of a view row."""

from typing import Any

from services.kit.db import Connection


async def keep(conn: Connection, kind: str, card_id: str, version: int, content: dict[str, Any] | None, terms: list[str]) -> None:
    """The higher version wins, whichever way it came; None is a tombstone."""
    await conn.execute(
        "insert into card as c (kind, id, version, content, terms) values ($1, $2, $3, $4, $5) on conflict (kind, id)"
        " do update set version = excluded.version, content = excluded.content, terms = excluded.terms where excluded.version >= c.version",
        kind,
        card_id,
        version,
        content,
        terms,
    )


async def get(conn: Connection, kind: str, ids: list[str]) -> dict[str, dict[str, Any] | None]:
    """Content by id; None for an erased one, absent for one that has not come yet."""
    rows = await conn.fetch("select id, content from card where kind = $1 and id = any($2::uuid[])", kind, ids)
    return {row["id"]: row["content"] for row in rows}


async def name_organisation(conn: Connection, organisation_id: str, label: str) -> None:
    await conn.execute(
        "insert into organisation (id, label) values ($1, $2) on conflict (id) do update set label = excluded.label", organisation_id, label
    )


async def labels(conn: Connection, ids: set[str]) -> dict[str, str]:
    rows = await conn.fetch("select id, label from organisation where id = any($1::uuid[])", sorted(ids))
    return {row["id"]: row["label"] for row in rows}


async def names(conn: Connection, case_ids: list[str]) -> dict[str, str | None]:
    """Of beneficiaries, by case; None for an erased one, absent for one whose card has not come yet."""
    found = await get(conn, "case", case_ids)
    return {case_id: content["beneficiary"]["name"] if content else None for case_id, content in found.items()}


async def add_articles(conn: Connection, service: str, lines: list[tuple[str, str]]) -> None:
    """Article and unit. None is taken away: what was done may be told under an older tariff."""
    await conn.executemany(
        "insert into article (service, article, unit) values ($1, $2, $3) on conflict do nothing", [(service, *line) for line in lines]
    )


async def articles(conn: Connection, service: str) -> list[tuple[str, str]]:
    rows = await conn.fetch("select article, unit from article where service = $1 order by rank", service)
    return [(row["article"], row["unit"]) for row in rows]
