"""Who is who, over HTTP: provisional members linked to real ones, duplicates found and merged, and each undone."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from contracts.common import Id
from services.kit import cursor
from services.kit.app import PROBLEMS
from services.kit.auth import DESK, Caller, allow
from services.kit.bounds import Limit
from services.kit.db import Transaction
from services.kit.idempotency import Command, CommandDependency
from services.reference.api.members import MemberBrief, named
from services.reference.domain.identity import Kind
from services.reference.store import identity as store
from services.reference.usecases import duplicates, identity, proposals

router = APIRouter(prefix="/api/reference/v1", tags=["identity"], responses=PROBLEMS)

AtDesk = Annotated[Caller, allow("reference:read", *DESK)]
Agent = Annotated[Caller, allow("reference:write", *DESK)]
SupervisorReads = Annotated[Caller, allow("reference:read", "supervisor", "admin")]
Supervisor = Annotated[Caller, allow("reference:write", "supervisor", "admin")]
Cmd = Annotated[Command, CommandDependency]


class LinkTo(BaseModel):
    member_id: Id


class MergeInto(BaseModel):
    into: Id


class Consumed(BaseModel):
    need_id: Id
    case_id: Id
    contract_id: Id
    guarantee: str


class Joined(BaseModel):
    """Who counts now, the cases that followed, the needs that were decided again, and the work done whose units stay where they were taken."""

    member_id: Id
    cases: list[Id]
    decided_again: list[Id]
    stays_consumed: list[Consumed]


class Candidate(MemberBrief):
    why: list[str]


class Link(BaseModel):
    """`undone_at`: none while it holds."""

    member_id: Id
    into_id: Id
    kind: Kind
    at: datetime
    by_whom: str
    undone_at: datetime | None
    undone_by: str | None


class Pair(BaseModel):
    """Two rows that may be one person. `likeness`: of the names, in thousandths."""

    one: MemberBrief
    other: MemberBrief
    why: list[str]
    likeness: int
    found_at: datetime


class Pairs(BaseModel):
    pairs: list[Pair]
    next: str | None


@router.get("/members/{member_id}/likely")
async def likely_members(member_id: Id, caller: AtDesk, request: Request) -> dict[str, list[Candidate]]:
    """Who a provisional member may be: with the same phone or e-mail, or name and birth date."""
    async with request.app.state.db.transaction() as tx:
        await proposals.known_provisional(tx.conn, member_id)
        rows = await proposals.candidates(tx.conn, member_id)
    return {"members": [Candidate.model_validate(named(row)) for row in rows]}


@router.get("/members/{member_id}/links")
async def list_links(member_id: Id, caller: AtDesk, request: Request) -> dict[str, list[Link]]:
    """All that was ever said of this member being another one, the latest first."""
    async with request.app.state.db.transaction() as tx:
        rows = await store.link_of(tx.conn, [member_id])
    return {"links": [Link.model_validate(row) for row in rows]}


@router.post("/members/{member_id}/link", response_model=Joined)
async def link_member(member_id: Id, body: LinkTo, caller: Agent, command: Cmd) -> Response:
    """A provisional member is this real one of the same principal. The cases follow, and open needs are decided again."""
    return await _join(command, caller, member_id, body.member_id, "linked")


@router.post("/members/{member_id}/unlink", response_model=Joined)
async def unlink_member(member_id: Id, caller: Agent, command: Cmd) -> Response:
    """Undoes a wrong link: the cases that were opened for the provisional member are theirs again."""
    return await _part(command, caller, member_id, "linked")


@router.post("/members/{member_id}/merge", response_model=Joined)
async def merge_member(member_id: Id, body: MergeInto, caller: Supervisor, command: Cmd) -> Response:
    """This member is the other one, known twice. Contracts and cases show under the one that stays; none of them moves."""
    return await _join(command, caller, member_id, body.into, "merged")


@router.post("/members/{member_id}/unmerge", response_model=Joined)
async def unmerge_member(member_id: Id, caller: Supervisor, command: Cmd) -> Response:
    """Undoes a wrong merge: whatever came by this member is this member's again."""
    return await _part(command, caller, member_id, "merged")


@router.get("/duplicates")
async def list_duplicates(
    caller: SupervisorReads,
    request: Request,
    after: Annotated[str | None, Query(description="the `next` of the page before")] = None,
    limit: Limit = 50,
) -> Pairs:
    """Pairs that may be one person, the likeliest first; found by `entraide person duplicates`."""
    place = cursor.decode(after, cursor.number, cursor.uuid, cursor.uuid)
    async with request.app.state.db.transaction() as tx:
        rows = await duplicates.listing(tx.conn, place, limit)
    more = cursor.encode(rows[-1]["likeness"], rows[-1]["one_id"], rows[-1]["other_id"]) if len(rows) == limit else None
    pairs = [Pair.model_validate(row | {"one": named(row["one"]), "other": named(row["other"])}) for row in rows]
    return Pairs(pairs=pairs, next=more)


@router.post("/duplicates/{one_id}/{other_id}/set-aside", status_code=204)
async def set_aside(one_id: Id, other_id: Id, caller: Supervisor, command: Cmd) -> Response:
    """They are two people, and no search proposes them again."""

    async def action(tx: Transaction) -> Response:
        await duplicates.set_aside(tx, one_id, other_id, caller.id)
        return Response(status_code=204)

    return await command.run(action)


async def _join(command: Command, caller: Caller, member_id: str, into_id: str, kind: Kind) -> Response:
    async def action(tx: Transaction) -> Joined:
        return Joined.model_validate(await identity.join(tx, member_id, into_id, kind, caller.actor, caller.id), from_attributes=True)

    return await command.run(action)


async def _part(command: Command, caller: Caller, member_id: str, kind: Kind) -> Response:
    async def action(tx: Transaction) -> Joined:
        return Joined.model_validate(await identity.part(tx, member_id, kind, caller.actor, caller.id), from_attributes=True)

    return await command.run(action)
