"""Reading a case as its caller may see it, having waited for what this person just did."""

import asyncio
import re
from typing import Any

from contracts.case_state import CaseState
from services.kit.auth import Caller
from services.kit.db import Database
from services.kit.errors import BadInput, NotFound
from services.kit.outbox import Position
from services.tracking.store import cards, cases
from services.tracking.stream import Hub
from services.tracking.usecases import doors

PATIENCE_S = 2.0
LOOK_S = 0.05
KEY = re.compile(r"[0-9]{9}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def wait_for(db: Database, hub: Hub, caller: Caller, after: str | None) -> Position | None:
    """Until the view has what stands at `after`, two seconds at most. Returns the position if it is not there yet. Raises `BadInput`."""
    if not after:
        return None
    position = Position.parse(after)
    if position is None:
        raise BadInput("`after` is `source:key:seq`, as a command answered it", code="bad_position")
    give_up = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        async with db.transaction(caller.tenant) as tx:
            if await cases.recorded(tx.conn, position):
                return None
        if asyncio.get_running_loop().time() > give_up:
            return position
        await hub.moved(LOOK_S)


async def case(db: Database, hub: Hub, caller: Caller, key: str, after: str | None = None) -> dict[str, Any]:
    """By id or number. Raises `NotFound`, never for what `after` says this person just made."""
    if not KEY.fullmatch(key):
        raise NotFound("no such case")
    late = await wait_for(db, hub, caller, after)
    async with db.transaction(caller.tenant) as tx:
        found = await cases.find(tx.conn, key)
        shown = _shown(found.state, caller) if found else None
        if found is None or shown is None:
            if late is not None and late.key == key:
                return {"case_id": key, "state": "open", "needs": [], "recording": True}
            raise NotFound("no such case")
        labels = await cards.labels(tx.conn, firms(found.state)) if caller.staff or caller.principal_ids else {}
    person = await _person(db, found.state.case_id) if caller.staff or "missions" not in shown else None
    return shown | {
        "fold_version": found.fold_version,
        "events": found.events,
        "last_event_at": found.last_event_at,
        "labels": labels if caller.staff else {one: labels[one] for one in labels if one == found.state.principal_id},
        "person": person if caller.staff else person and {"name": person.get("name")},
        "recording": late is not None,
    }


def firms(case: CaseState) -> set[str]:
    asked = {offer.provider_id for need in case.needs.values() for offer in need.offers.values()}
    return asked | ({case.principal_id} if case.principal_id else set())


def _shown(case: CaseState, caller: Caller) -> dict[str, Any] | None:
    """None for another's case."""
    if caller.staff:
        return doors.desk(case)
    if case.principal_id in caller.principal_ids:
        return doors.principal(case)
    if caller.member_id and case.member_id == caller.member_id:
        return doors.member(case)
    return doors.provider(case, caller.provider_id) if caller.provider_id else None


async def _person(db: Database, case_id: str) -> dict[str, Any] | None:
    """What the case card says: None until it has come, `erased` once it was."""
    async with db.connection() as conn:
        found = await cards.get(conn, "case", [case_id])
    if case_id not in found:
        return None
    content = found[case_id]
    if content is None:
        return {"name": None, "erased": True}
    return {**content["beneficiary"], "erased": False, **{name: content.get(name) for name in ("on_site", "address", "access", "plate", "wishes")}}
