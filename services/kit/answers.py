"""The answer to a command, kept with its effect: in the statement that writes what the command says, where it says something."""

from collections.abc import Mapping
from typing import Any, NamedTuple

POSITION = "Entraide-Position"


class Answer(NamedTuple):
    """Of the command that has taken this key."""

    caller: str
    route: str
    key: str
    status: int
    headers: Mapping[str, str]
    body: bytes


async def keep(conn: Any, answer: Answer) -> None:
    await conn.execute(_KEEP, *answer)


def keeping(first: int) -> str:
    """The common table expression that keeps, after one named `counted`, with parameters from `$first` on: those of the answer, then source,
    topic and key of the position to wait for."""
    caller, route, key, status, headers, body, source, topic, about = (f"${n}" for n in range(first, first + 9))
    position = (
        f"select jsonb_build_object('{POSITION.lower()}', concat_ws(':', {source}::text, c.key, c.last)) from counted c"  # noqa: S608 - numbers of parameters
        f" where c.topic = {topic}::text and c.key = {about}::text"
    )
    update = _update(caller, route, key, status, f"{headers}::jsonb || coalesce(({position}), '{{}}')", body)
    return f"kept as ({update})"


def _update(caller: str, route: str, key: str, status: str, headers: str, body: str) -> str:
    return (
        f"update kit.idempotency set status = {status}, headers = {headers}, body = {body}"  # noqa: S608 - numbers of parameters
        f" where caller = {caller} and route = {route} and key = {key}"
    )


_KEEP = _update(*(f"${n}" for n in range(1, 7)))
