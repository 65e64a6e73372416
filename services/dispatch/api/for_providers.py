"""What a provider's own software, or its extranet, may ask: its offers, its missions, its feed. Another's answers 404."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from contracts.common import Id, Window
from contracts.deliveries import MissionDocument
from contracts.reasons import OFFER_DECLINED
from services.dispatch.api.common import PREFIX, Cmd, Reasoned, SlotBody
from services.dispatch.domain.mission import Mission, OfferStatus
from services.dispatch.store import feed, lists
from services.dispatch.usecases import answers
from services.dispatch.usecases.callers import PROVIDER, known, own
from services.kit import cursor
from services.kit.app import PROBLEMS
from services.kit.auth import Caller, allow
from services.kit.bounds import Limit
from services.kit.db import Transaction

router = APIRouter(prefix=PREFIX, tags=["dispatch: providers"], responses=PROBLEMS)

Reader = Annotated[Caller, allow("dispatch:read", *PROVIDER)]
Writer = Annotated[Caller, allow("dispatch:write", *PROVIDER)]


class Answered(BaseModel):
    """How the offer stands, the same for the same answer sent twice."""

    mission_id: Id
    offer_id: Id
    status: OfferStatus
    reason: str | None = None
    appointment: Window | None = None


class Feed(BaseModel):
    """`next` is to be sent as `after`; it is the same again while nothing is new."""

    items: list[MissionDocument]
    next: str


@router.get("/feed", response_model=Feed, response_model_exclude_none=True)
async def read_feed(
    caller: Reader,
    request: Request,
    after: Annotated[str | None, Query(description="the `next` of the page before; none: from the beginning, 30 days back at most")] = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """All this provider is told, in order, without gaps."""
    place = cursor.decode(after, cursor.number)
    known_to = place[0] if place else 0
    async with request.app.state.db.transaction(caller.tenant) as tx:
        items = await feed.read(tx.conn, own(caller), known_to, limit)
    return {"items": items, "next": cursor.encode(items[-1]["position"] if items else known_to)}


@router.get("/offers")
async def list_offers(caller: Reader, request: Request) -> dict[str, Any]:
    """Those that wait for an answer, the first to expire first."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        return {"offers": await lists.own_offers(tx.conn, own(caller))}


@router.post("/offers/{offer_id}/accept", response_model=Answered)
async def accept(offer_id: Id, body: SlotBody, caller: Writer, command: Cmd) -> Response:
    """With the appointment. 409 `already_taken`, `offer_expired`, `offer_withdrawn` or `already_answered`."""

    async def action(tx: Transaction) -> Answered:
        return answered(await answers.accept(tx, own(caller), offer_id, body.slot, caller.actor), offer_id)

    return await command.run(action)


@router.post("/offers/{offer_id}/decline", response_model=Answered)
async def decline(offer_id: Id, body: Reasoned, caller: Writer, command: Cmd) -> Response:
    """With a reason of the family `offer_declined`. 409 as for an acceptance."""
    reason = known(body.reason, OFFER_DECLINED)

    async def action(tx: Transaction) -> Answered:
        return answered(await answers.decline(tx, own(caller), offer_id, reason, caller.actor), offer_id)

    return await command.run(action)


@router.post("/missions/{mission_id}/reconfirm", response_model=Answered)
async def reconfirm(mission_id: Id, body: SlotBody, caller: Writer, command: Cmd) -> Response:
    """Agrees to the amended mission, at this appointment."""

    async def action(tx: Transaction) -> Answered:
        mission = await answers.reconfirm(tx, own(caller), mission_id, body.slot, caller.actor)
        return answered(mission, mission.offer_id)

    return await command.run(action)


@router.post("/missions/{mission_id}/give-up", response_model=Answered)
async def give_up(mission_id: Id, body: Reasoned, caller: Writer, command: Cmd) -> Response:
    """Gives back what was accepted, with a reason of the family `offer_declined`; somebody else is asked."""
    reason = known(body.reason, OFFER_DECLINED)

    async def action(tx: Transaction) -> Answered:
        mission = await answers.give_up(tx, own(caller), mission_id, reason, caller.actor)
        return answered(mission, next(offer.id for offer in reversed(mission.offers) if offer.status == "taken_back"))

    return await command.run(action)


def answered(mission: Mission, offer_id: str | None) -> Answered:
    offer = mission.offer(offer_id)
    assert offer is not None, "an answer to no offer"
    slot = offer.appointment
    return Answered(
        mission_id=mission.id,
        offer_id=offer.id,
        status=offer.status,
        reason=offer.said or offer.reason,
        appointment=Window(start=slot.start, end=slot.end) if slot else None,
    )
