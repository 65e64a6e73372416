"""What reference hears, and the use case each leads to."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from contracts.billing import BillPrepared, ChargeRecorded
from contracts.intake import CaseClosed, CaseOpened, CaseReopened, NeedAdded, NeedAmended, NeedAtRisk, NeedCancelled, NeedReinstated
from contracts.reference import PersonErased
from contracts.tracking import PrestationCompleted
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.outbox import Cause
from services.kit.subscriptions import Received, each, many, together
from services.reference.domain import coverage as domain
from services.reference.domain.coverage import Cover, Decision
from services.reference.domain.entitlement import CONTRACT_ZONE, Claim
from services.reference.usecases import coverage, members, persons
from services.reference.usecases.coverage import Asked


async def on_case_opened(tx: Transaction, received: Sequence[Received]) -> None:
    await members.case_opened(tx, {one.data.case_id: one.data.member_id for one in received})


async def on_case_reopened(tx: Transaction, received: Sequence[Received]) -> None:
    await members.case_opened(tx, {one.data.case_id: None for one in received})


async def on_case_closed(tx: Transaction, received: Sequence[Received]) -> None:
    await members.case_closed(tx, [one.data.case_id for one in received])


async def on_need_added(tx: Transaction, received: Sequence[Received]) -> None:
    await coverage.decide(tx, [Asked(one.data.need_id, one.data.case_id, _claim(one), Cause.of(one.envelope)) for one in received])


async def on_need_amended(tx: Transaction, event: NeedAmended) -> None:
    def alter(claim: Claim) -> Claim:
        return replace(
            claim,
            insee=event.place.insee,
            departement=event.place.departement,
            starts_at=event.wanted.start,
            ends_at=event.wanted.end,
            quantity=event.quantity,
            unit=event.unit,
        )

    await coverage.amend(tx, event.need_id, alter)


async def on_need_at_risk(tx: Transaction, event: NeedAtRisk) -> None:
    await coverage.change(tx, {event.need_id: (lambda cover: domain.go_at_risk(cover, new_id()), tx.cause)})


async def on_need_cancelled(tx: Transaction, received: Sequence[Received]) -> None:
    await coverage.change(tx, {one.data.need_id: (_cancel(one.data), Cause.of(one.envelope)) for one in received})


async def on_need_reinstated(tx: Transaction, event: NeedReinstated) -> None:
    await coverage.change(tx, {event.need_id: (lambda cover: domain.reinstate(cover, tx.now, coverage.hold), tx.cause)})


async def on_prestation_completed(tx: Transaction, received: Sequence[Received]) -> None:
    await coverage.change(tx, {one.data.need_id: (_perform(one.data), Cause.of(one.envelope)) for one in received})


async def on_person_erased(tx: Transaction, event: PersonErased) -> None:
    """Our own word: it finds something to do in a restored database only."""
    await persons.erase_again(tx, event.member_id)


async def on_billed(tx: Transaction, received: Sequence[Received]) -> None:
    """Bills say what the provider is owed, charges what of it is the member's: the rest is what the guarantee has paid."""
    sums: dict[str, tuple[int, int, bool]] = {}
    for one in received:
        billed, member, charged = sums.get(one.data.need_id, (0, 0, False))
        if isinstance(one.data, BillPrepared):
            sums[one.data.need_id] = billed + one.data.gross_cents, member, charged
        else:
            sums[one.data.need_id] = billed, member + one.data.member_gross_cents, True
    await coverage.charge(tx, sums, {one.data.need_id: Cause.of(one.envelope) for one in received})


def _cancel(event: NeedCancelled) -> Callable[[Cover], Decision]:
    """Whoever gives up because nobody could be found ends the need unfilled."""
    reason = "need_unfilled" if event.reason == "no_provider_found" else "need_cancelled"
    return lambda cover: domain.cancel(cover, reason)


def _claim(received: Received) -> Claim:
    need: NeedAdded = received.data
    return Claim(
        member_id=need.member_id,
        principal_id=need.principal_id,
        contract_id=need.contract_id,
        service=need.service,
        insee=need.place.insee,
        departement=need.place.departement,
        starts_at=need.wanted.start,
        ends_at=need.wanted.end,
        quantity=need.quantity,
        unit=need.unit,
        occurred_on=date.fromisoformat(need.occurred_on) if need.occurred_on else None,
        declared_on=received.envelope.time.astimezone(CONTRACT_ZONE).date(),
        estimate_gross_cents=need.estimate_gross_cents,
    )


def _perform(done: PrestationCompleted) -> Callable[[Cover], Decision]:
    """The quantity done in the unit that was asked for; none when it was told in other units only."""

    def decide(cover: Cover) -> Decision:
        quantity = sum((line.quantity for line in done.lines if line.unit == cover.claim.unit), Decimal(0))
        return domain.perform(cover, quantity or None)

    return decide


SUBSCRIPTIONS = [
    many(CaseOpened, on_case_opened),
    many(CaseReopened, on_case_reopened, patient=True),
    many(CaseClosed, on_case_closed, patient=True),
    many(NeedAdded, on_need_added),
    each(NeedAmended, on_need_amended),
    each(NeedAtRisk, on_need_at_risk),
    many(NeedCancelled, on_need_cancelled),
    each(NeedReinstated, on_need_reinstated),
    many(PrestationCompleted, on_prestation_completed, patient=True),
    together(on_billed, patient=(BillPrepared, ChargeRecorded)),
    each(PersonErased, on_person_erased, patient=True),
]
