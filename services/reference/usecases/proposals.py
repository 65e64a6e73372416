"""Who a provisional member may really be: looked for whenever a file brings somebody, told as one task, taken or set aside by a person."""

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.common import Actor
from services.kit.clock import new_id
from services.kit.db import Connection, Transaction
from services.kit.errors import NotFound
from services.reference import emits
from services.reference.domain import likeness
from services.reference.domain.likeness import Known
from services.reference.store import identity as store
from services.reference.store import members
from services.reference.usecases import identity

MOST = 5


async def look(tx: Transaction, member_ids: Sequence[str]) -> None:
    """Whether a file has brought somebody like a provisional member: with the same phone or e-mail, or name and birth date."""
    if not await store.any_provisional(tx.conn):
        return
    found = [one for one in await store.meeting(tx.conn, member_ids) if _likely(one)]
    for provisional_id in await store.propose(tx.conn, found, tx.now) if found else []:
        task_id = new_id()
        new, case_id = await store.open_task(tx.conn, provisional_id, task_id)
        if new:
            tx.emit(emits.provisional_task(task_id, case_id, tx.now))


async def candidates(conn: Connection, provisional_id: str) -> list[dict[str, Any]]:
    """The members who a provisional one may be, the likeliest first, each with `why`. Those set aside come no more."""
    found = [one for one in await store.alike(conn, provisional_id) if _likely(one)]
    aside = await store.set_aside(conn, provisional_id)
    ranked = sorted((one for one in found if one["member_id"] not in aside), key=lambda one: (-len(one["why"]), one["member_id"]))[:MOST]
    sheets = {row["id"]: row for row in await members.sheets(conn, [one["member_id"] for one in ranked])}
    return [sheets[one["member_id"]] | {"why": one["why"]} for one in ranked]


async def set_aside(tx: Transaction, provisional_id: str, member_id: str, by: Actor, whom: str) -> None:
    """They are two. The task closes with the last one proposed. Raises `NotFound`."""
    await store.propose(tx.conn, [{"provisional_id": provisional_id, "member_id": member_id, "why": []}], tx.now)
    if not await store.settle_proposals(tx.conn, provisional_id, member_id, "other", whom):
        await identity.close_task(tx, provisional_id, "no_longer_needed", by)


async def settle(tx: Transaction, task_id: str, outcome: str, by: Actor, whom: str) -> bool:
    """Closes the task without linking anybody; False when it is no task of ours."""
    provisional_id = await store.provisional_of_task(tx.conn, task_id)
    if provisional_id is None:
        return False
    await store.settle_proposals(tx.conn, provisional_id, None, "other", whom)
    await identity.close_task(tx, provisional_id, outcome, by)
    return True


async def known_provisional(conn: Connection, member_id: str) -> dict[str, Any]:
    """Raises `NotFound` for anybody else."""
    row = await members.sheet(conn, member_id)
    if row is None or not row["provisional"]:
        raise NotFound("no such provisional member")
    return row


def _likely(one: Mapping[str, Any]) -> bool:
    """The same phone or e-mail is enough; of a birth date shared by a hundred people, only who is called alike."""
    if set(one["why"]) & {"same_phone", "same_email"}:
        return True
    words = one["typed"].split()
    return bool(words) and bool(likeness.ranked(words, one["birth_date"], [Known(one["member_id"], one["name_key"], one["birth_date"])], 1))
