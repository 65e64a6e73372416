"""A person's own: what reference holds of one, handed out; and erased, for ever."""

from dataclasses import dataclass
from typing import Any

from contracts.common import Actor, CardKind
from services.kit import erasing, notify, phones
from services.kit.db import Connection, Transaction
from services.kit.errors import NotFound
from services.reference import emits
from services.reference.domain import erasure
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.domain.erasure import Gone, Kept, OpenCases
from services.reference.store import identity as identities
from services.reference.store import members
from services.reference.store import persons as store
from services.reference.usecases import identity

IDENTIFYING = ("last_name", "first_name", "phones", "emails", "address")


@dataclass(frozen=True, slots=True)
class Erased:
    """`members`: all rows of the person. The others follow within seconds, each by itself."""

    members: list[str]
    erased: tuple[Gone, ...]
    kept: tuple[Kept, ...]


async def family(conn: Connection, member_id: str) -> list[str]:
    """All rows of the person. Raises `NotFound`."""
    found = await identities.family(conn, member_id)
    if not found:
        raise NotFound("no such member")
    return found


async def data(conn: Connection, member_id: str) -> dict[str, Any]:
    """Everything that reference holds of the person. Raises `NotFound`."""
    return {"service": "reference", **await store.held(conn, await family(conn, member_id))}


async def erase(tx: Transaction, member_id: str, by: Actor) -> Erased:
    """All rows of the person, at once here and by the log everywhere else. Again: the same answer. Raises `NotFound`, `OpenCases`."""
    known = await identities.alone(tx.conn, [member_id])
    if member_id not in known:
        raise NotFound("no such member")
    ids = sorted(known)
    if number := await store.open_cases(tx.conn, ids):
        raise OpenCases(f"{number} of this person's cases are open; close them first", open_cases=number)
    for row in await _blank(tx, ids):
        tx.tombstone(CardKind.MEMBER, row["id"], row["card_version"])
        tx.emit(emits.member(row), emits.erased(row["id"], tx.now))
        await identity.close_task(tx, row["id"], "no_longer_needed", by)
    return Erased(ids, erasure.GONE, erasure.kept(tx.now))


async def erase_again(tx: Transaction, member_id: str) -> None:
    """What the log says was erased, and an older copy of this database still holds."""
    if await identities.alone(tx.conn, [member_id]):
        await _blank(tx, [member_id])


async def _blank(tx: Transaction, ids: list[str]) -> list[dict[str, Any]]:
    """Returns the rows that were not blank yet."""
    before = await members.rows(tx.conn, ids)
    known = [{name: row[name] for name in IDENTIFYING} for row in before]
    spoken = [phones.national(number) for row in before for number in row["phones"]]
    blanked = await store.blank(tx.conn, ids, tx.now.astimezone(CONTRACT_ZONE).date(), tx.now)
    await notify.forget(tx.conn, [to for row in before for to in (*row["emails"], *row["phones"])])
    await store.drop_refused(tx.conn, ids, [text for row in before for text in _only_theirs(row)])
    await erasing.blank_cards(tx.conn, [f"member:{member_id}" for member_id in ids])
    await erasing.blank_answers(tx.conn, erasing.texts_of(known, spoken))
    return blanked


def _only_theirs(row: dict[str, Any]) -> list[str]:
    """By what a row of a file that nobody could read names this person, and hardly anybody else."""
    numbers = [phones.national(number).replace(" ", "")[1:] for number in row["phones"]]
    whole = [f"{row['address']}"] if len(row["address"]) > 8 else []
    return [text for text in (*row["emails"], *numbers, *whole) if len(text) >= erasing.SHORTEST]
