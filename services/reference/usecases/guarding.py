"""A file has written a batch of members: what people changed of them, and the principal has not answered yet, is kept or gives way."""

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson

from services.kit.db import Transaction
from services.kit.errors import Conflict, NotFound
from services.reference.domain import amending
from services.reference.domain.amending import Change, Rule, Side
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.store import amendments, members
from services.reference.store import conflicts as store
from services.reference.usecases.amendments import By, columns, plain, tell


async def keep(tx: Transaction, rows: Sequence[tuple[str, bytes, str]], rules: Mapping[str, Rule]) -> None:
    """`rows`: key, hash and content of members that were just saved, which locks them. One look where nothing waits."""
    waiting = await store.unsettled(tx.conn, [key for key, *_ in rows])
    if not waiting:
        return
    ids = list({row["member_id"] for row in waiting})
    saved = {row["id"]: row for row in await members.rows(tx.conn, ids)}
    met = await store.of_members(tx.conn, ids)
    contents = {key: content for key, _, content in rows}
    for member_id, of_member in groupby(sorted(waiting, key=itemgetter("member_id", "field", "id")), key=itemgetter("member_id")):
        changes = list(of_member)
        dated = orjson.loads(contents[changes[0]["feed_key"]]).get("changed_on")
        their_day = date.fromisoformat(dated) if dated else None
        against = [row for row in met if row["member_id"] == member_id]
        await _meet(tx, saved[member_id], changes, against, rules, their_day)


async def _meet(
    tx: Transaction, member: dict[str, Any], waiting: Sequence[dict[str, Any]], met: Sequence[dict[str, Any]], rules: Mapping[str, Rule],
    their_day: date | None,
) -> None:  # fmt: skip
    ours = {}
    for field, of_field in groupby(waiting, key=itemgetter("field")):
        changes = list(of_field)
        theirs, rule = plain(member[field]), amending.rule_for(field, rules)
        # An open conflict says nothing new either, however the rule reads by now: a person has been asked.
        against = [row["theirs"] for row in met if row["field"] == field and row["decided"] != "theirs" and row["at"] >= changes[0]["at"]]
        mine = amending.guarded(
            [Change(field, row["old"], row["new"]) for row in changes],
            against,
            changes[-1]["at"].astimezone(CONTRACT_ZONE).date(),
            acknowledged=all(row["acknowledged_at"] for row in changes),
        )
        outcome = amending.meet(mine, theirs, rule, their_day)
        if outcome.conflict:
            since = max(tx.now, changes[-1]["at"])  # a file may have begun before the change that it waited for
            await store.note(tx.conn, member, field, mine.ours, theirs, rule, None if outcome.asked else outcome.keep, since)
        if outcome.settled:
            await store.settle(tx.conn, [row["id"] for row in changes], tx.now)
            await store.end(tx.conn, member["id"], field, outcome.keep, "file", tx.now)
        if outcome.keep == "ours":
            ours[field] = mine.ours
    if ours:
        await store.restore(tx.conn, member["id"], columns(member, ours))


async def settle(tx: Transaction, conflict_id: int, side: Side, by: By) -> None:
    """What a person says of a conflict. Ours goes on waiting for the principal; theirs is taken. Raises `NotFound`, `Conflict`."""
    whose = await store.whose(tx.conn, conflict_id)
    member = await amendments.lock(tx.conn, whose) if whose else None  # first, as a file locks it before it writes conflicts
    row = await store.read(tx.conn, conflict_id)
    if row is None or member is None:
        raise NotFound("no such conflict")
    if row["decided"]:
        raise Conflict(f"this conflict is settled: {row['decided']}")
    await store.end(tx.conn, member["id"], row["field"], side, by.actor.id or by.actor.kind, tx.now)
    if side == "ours":
        return
    await store.close_changes(tx.conn, member["id"], row["field"], tx.now)
    before = plain(member[row["field"]])
    if before == row["theirs"]:
        return
    saved = await amendments.save(tx.conn, member["id"], columns(member, {row["field"]: row["theirs"]}))
    about = {"amendment": tx.cause.correlation_id, "reason": "conflict_settled", "door": by.door, "at": tx.now, "settled_at": tx.now}
    change = (row["field"], before, row["theirs"])
    await amendments.note(tx.conn, saved, [change], by_kind=by.actor.kind, by_id=by.actor.id, **about)
    tell(tx, saved)
