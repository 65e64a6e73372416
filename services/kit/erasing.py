"""What delivery itself holds of a person, blanked at once: outbox rows, parked records, answers that were kept for who asks twice.

Readers of what is sent again see tombstones of versions that they passed long ago. Gone by themselves within days; erasing does not wait.
"""

from collections.abc import Collection, Iterable
from typing import Any

import orjson
from markupsafe import escape

from contracts import cards

SHORTEST = 4  # a text that short is in too much


def texts_of(*contents: Any) -> set[str]:
    """Every text in these, whatever they are made of: what a person is called, reached by, lives at, has said."""
    found: set[str] = set()
    waiting: list[Any] = list(contents)
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            found.add(one.strip())
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list | tuple | set):
            waiting += one
    return {text for text in found if len(text) >= SHORTEST}


async def blank_cards(conn: Any, keys: Collection[str], about: Collection[str] = ()) -> None:
    """`keys`: `<kind>:<id>`. Of what this service wrote, and of what waits here to be read, there also whatever names an id of `about`."""
    await conn.execute(
        "update kit.outbox set payload = null where aggregatetype = $1 and aggregateid = any($2::text[]) and payload is not null",
        cards.TOPIC,
        sorted(keys),
    )
    await conn.execute(
        "update kit.parked set value = null where topic = $1 and value is not null and (key = any($2::text[])"
        " or exists (select from unnest($3::bytea[]) t where position(t in value) > 0))",
        cards.TOPIC,
        sorted(keys),
        [one.encode() for one in sorted(about)],
    )


async def blank_deliveries(conn: Any, keys: Collection[str], field: str) -> None:
    """Takes a field out of what was sent to outsiders under these keys."""
    await conn.execute(
        "update kit.outbox set payload = convert_to((convert_from(payload, 'UTF8')::jsonb - $2)::text, 'UTF8')"
        " where aggregatetype like 'provider.%' and aggregateid = any($1::text[]) and convert_from(payload, 'UTF8')::jsonb ? $2",
        sorted(keys),
        field,
    )


async def blank_answers(conn: Any, texts: Iterable[str]) -> None:
    """Those that hold one of these texts, as it is, or as JSON or a page writes it. Who asks twice is still told that it is done, and no more."""
    wanted = {form.encode() for text in texts for form in (text, orjson.dumps(text).decode()[1:-1], str(escape(text)))}
    if wanted:
        await conn.execute(
            "update kit.idempotency set body = '' where body <> '' and exists (select from unnest($1::bytea[]) t where position(t in body) > 0)",
            sorted(wanted),
        )
