"""What billing holds about the cases of a person: documents without the person, which the law makes us keep."""

from collections.abc import Sequence
from typing import Any

from services.kit.db import Connection


async def held(conn: Connection, case_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """By table."""
    queries = {
        "bills": "select * from bill where case_id = any($1::uuid[]) order by id",
        "charges": "select * from charge where case_id = any($1::uuid[]) order by id",
    }
    return {name: [dict(row) for row in await conn.fetch(query, case_ids)] for name, query in queries.items()}
