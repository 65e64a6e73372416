"""Reference's facts as contract events, its rows as state-carrying events and cards."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from contracts import reference as contract
from contracts.cards import MemberCard
from contracts.common import Actor
from contracts.common import TaskClosed as TaskClosedEvent
from contracts.common import TaskOpened as TaskOpenedEvent
from contracts.registry import Event
from services.kit import places
from services.reference.domain.coverage import (
    ApprovalAnswered,
    ApprovalAsked,
    ApprovalWithdrawn,
    Consumed,
    Cover,
    Fact,
    Granted,
    Refused,
    Released,
    TaskClosed,
    TaskOpened,
)
from services.reference.domain.entitlement import Rights

ANSWER_TASK_WITHIN = timedelta(hours=2)


def events(cover: Cover, facts: Iterable[Fact], rights: Rights | None, now: datetime, by: Actor) -> list[Event]:
    """`rights`: as they stand of the cover's guarantee once everything is saved; None where it changes none."""
    return [_event(cover, fact, rights, now, by) for fact in facts if not isinstance(fact, ApprovalWithdrawn)]


def _event(cover: Cover, fact: Fact, rights: Rights | None, now: datetime, by: Actor) -> Event:
    left: Decimal | None = rights.left(cover.units_per_year) if rights else None
    ids: dict[str, Any] = {"case_id": cover.case_id, "need_id": cover.need_id}
    match fact:
        case Granted(granted):
            assert granted.contract_id and granted.guarantee and granted.expires_at
            return contract.CoverageGranted(
                decision_id=granted.decision_id,
                contract_id=granted.contract_id,
                guarantee=granted.guarantee,
                units_reserved=granted.units,
                units_left=left,
                cap_gross_cents=granted.cap_gross_cents,
                gross_cents_left=rights.cents_left(granted.cap_gross_cents_per_year) if rights else None,
                goodwill_by=Actor(kind=granted.goodwill_by, id=granted.goodwill_actor or None) if granted.goodwill_by else None,
                goodwill_reason=granted.goodwill_reason,
                member_rate=granted.member_rate,
                expires_at=granted.expires_at,
                trace=list(granted.trace),
                **ids,
            )
        case Refused(refused):
            assert refused.reason
            return contract.CoverageRefused(
                decision_id=refused.decision_id,
                reason=refused.reason,
                contract_id=refused.contract_id,
                guarantee=refused.guarantee,
                renews_on=refused.renews_on and refused.renews_on.isoformat(),
                trace=list(refused.trace),
                **ids,
            )
        case Released(decision_id, units, reason):
            return contract.CoverageReleased(decision_id=decision_id, reason=reason, units_released=units, **ids)
        case Consumed(consumed):
            return contract.CoverageConsumed(decision_id=consumed.decision_id, units_consumed=consumed.units, units_left=left, **ids)
        case ApprovalAsked(asked):
            assert asked.approval_cents is not None and asked.approval_due
            return contract.ApprovalRequested(approval_id=asked.decision_id, amount_cents=asked.approval_cents, due_at=asked.approval_due, **ids)
        case ApprovalAnswered(approval_id, kind, None):
            return contract.ApprovalGranted(approval_id=approval_id, decided_by=kind, **ids)
        case ApprovalAnswered(approval_id, kind, reason):
            assert reason
            return contract.ApprovalRefused(approval_id=approval_id, reason=reason, decided_by=kind, **ids)
        case TaskOpened(task_id, kind, reason, role):
            return TaskOpenedEvent(task_id=task_id, kind=kind, role=role, due_at=now + ANSWER_TASK_WITHIN, reason=reason or None, **ids)
        case TaskClosed(task_id, outcome):
            return TaskClosedEvent(task_id=task_id, outcome=outcome, closed_by=by, **ids)
    raise AssertionError(f"a fact that tells nothing: {fact}")


def principal(row: Mapping[str, Any]) -> contract.PrincipalChanged:
    return contract.PrincipalChanged(
        principal_id=row["principal_id"],
        code=row["code"],
        label=row["label"],
        siren=row["siren"],
        terms=contract.PriceTerms(fee_net_cents=row["fee_net_cents"], markup_rate=row["markup_rate"], vat_rate=row["vat_rate"]),
        at_risk_limit_cents=row["at_risk_limit_cents"],
        approval_above_cents=row["approval_above_cents"],
        valid_from=row["valid_from"].isoformat(),
        ended_on=row["ended_on"] and row["ended_on"].isoformat(),
    )


def member(row: Mapping[str, Any]) -> contract.MemberChanged:
    commune = places.communes().get(row["insee"] or "")
    return contract.MemberChanged(
        member_id=row["id"],
        principal_id=row["principal_id"],
        provisional=row["provisional"],
        linked_to=row["linked_to"],
        departement=commune and commune["departement"],
        version=row["version"],
        ended_on=row["ended_on"] and row["ended_on"].isoformat(),
    )


def case_of(case_id: str, opened_for: str, member_id: str, reason: str, by: Actor) -> contract.MemberLinked:
    return contract.MemberLinked(case_id=case_id, opened_for=opened_for, member_id=member_id, reason=reason, linked_by=by)


def erased(member_id: str, now: datetime) -> contract.PersonErased:
    return contract.PersonErased(member_id=member_id, requested_at=now)


def provisional_task(task_id: str, case_id: str | None, now: datetime) -> TaskOpenedEvent:
    """Somebody who is not in the data may be somebody who is."""
    due_at = now + ANSWER_TASK_WITHIN
    return TaskOpenedEvent(task_id=task_id, kind="provisional_member", role="agent", due_at=due_at, case_id=case_id)


def provisional_task_closed(task_id: str, case_id: str | None, outcome: str, by: Actor) -> TaskClosedEvent:
    return TaskClosedEvent(task_id=task_id, case_id=case_id, outcome=outcome, closed_by=by)


def member_contract(row: Mapping[str, Any], guarantees: Sequence[contract.GuaranteeState]) -> contract.ContractChanged:
    return contract.ContractChanged(
        contract_id=row["id"],
        number=row["number"],
        principal_id=row["principal_id"],
        member_id=row["member_id"],
        beneficiary_ids=row["beneficiary_ids"],
        product=row["product"],
        starts_on=row["starts_on"].isoformat(),
        ends_on=row["ends_on"] and row["ends_on"].isoformat(),
        suspended=row["state"] == "suspended",
        guarantees=list(guarantees),
        version=row["version"],
    )


def guarantee(row: Mapping[str, Any]) -> contract.GuaranteeState:
    return contract.GuaranteeState(
        guarantee=row["code"],
        services=row["services"],
        units_per_year=row["units_per_year"],
        cap_gross_cents=row["cap_gross_cents"],
        cap_gross_cents_per_year=row["cap_gross_cents_per_year"],
        waiting_days=row["waiting_days"],
    )


def card(row: Mapping[str, Any]) -> MemberCard:
    """At the row's card version."""
    return MemberCard(
        id=row["id"],
        version=row["card_version"],
        member_number=row["number"],
        civility=row["civility"],
        last_name=row["last_name"],
        first_name=row["first_name"],
        birth_date=row["birth_date"] and row["birth_date"].isoformat(),
        phones=row["phones"],
        emails=row["emails"],
        address=row["address"],
        language=row["language"],
    )
