"""Intake's facts as contract events."""

from collections.abc import Iterable

from contracts import intake as contract
from contracts.common import Actor, CardKind, CardRef, Window
from contracts.registry import Event
from services.intake.domain import Added, Amended, Cancelled, Case, Closed, Fact, Reinstated, Reopened, WentAtRisk
from services.kit import places


def opened(case: Case, channel: str, provisional: bool, by: Actor) -> contract.CaseOpened:
    return contract.CaseOpened(
        case_id=case.id,
        number=case.number,
        principal_id=case.principal_id,
        member_id=case.member_id,
        contract_id=case.contract_id,
        provisional=provisional,
        channel=channel,
        opened_by=by,
        card=CardRef(kind=CardKind.CASE, id=case.id, version=1),
    )


def events(case: Case, facts: Iterable[Fact], by: Actor) -> list[Event]:
    return [_event(case, fact, by) for fact in facts]


def noted(case_id: str, need_id: str | None, note_id: str, by: Actor) -> contract.NoteAdded:
    return contract.NoteAdded(case_id=case_id, need_id=need_id, card=CardRef(kind=CardKind.NOTE, id=note_id, version=1), added_by=by)


def _event(case: Case, fact: Fact, by: Actor) -> Event:
    match fact:
        case Added(need):
            return contract.NeedAdded(
                case_id=case.id,
                need_id=need.id,
                rank=need.rank,
                service=need.service,
                principal_id=case.principal_id,
                member_id=case.member_id,
                contract_id=case.contract_id,
                place=places.place(need.wish.place, need.wish.postcode),
                wanted=Window(start=need.wish.start, end=need.wish.end),
                urgency=need.wish.urgency,
                quantity=need.wish.quantity,
                unit=need.wish.unit,
                occurred_on=need.wish.occurred_on and need.wish.occurred_on.isoformat(),
                estimate_gross_cents=need.wish.estimate_gross_cents,
            )
        case Amended(need, reason):
            return contract.NeedAmended(
                case_id=case.id,
                need_id=need.id,
                place=places.place(need.wish.place, need.wish.postcode),
                wanted=Window(start=need.wish.start, end=need.wish.end),
                urgency=need.wish.urgency,
                quantity=need.wish.quantity,
                unit=need.wish.unit,
                reason=reason,
                amended_by=by,
            )
        case Cancelled(need, reason):
            return contract.NeedCancelled(case_id=case.id, need_id=need.id, reason=reason, cancelled_by=by)
        case Reinstated(need, reason):
            return contract.NeedReinstated(case_id=case.id, need_id=need.id, reason=reason)
        case WentAtRisk(need, limit_cents, reason, at):
            return contract.NeedAtRisk(case_id=case.id, need_id=need.id, limit_cents=limit_cents, reason=reason, decided_by=by, decided_at=at)
        case Closed(reason):
            return contract.CaseClosed(case_id=case.id, reason=reason, closed_by=by)
        case Reopened(reason):
            return contract.CaseReopened(case_id=case.id, reason=reason, reopened_by=by)
