"""What billing hears, and the use case each leads to."""

from collections.abc import Sequence
from datetime import date

from contracts.common import Line
from contracts.dispatch import ProviderChanged
from contracts.intake import CaseOpened, NeedAdded, NeedAmended, NeedAtRisk
from contracts.reference import CoverageGranted, CoverageRefused, CoverageReleased, PrincipalChanged
from contracts.tracking import PrestationCompleted, PrestationCorrected
from services.billing import usecases
from services.billing.domain.charging import VOID, Need, Principal, Terms
from services.billing.domain.pricing import Done
from services.billing.domain.settling import Performed
from services.billing.store import needs, rules
from services.kit.db import Transaction
from services.kit.outbox import Cause
from services.kit.subscriptions import Received, each, many


async def on_cases_opened(tx: Transaction, received: Sequence[Received]) -> None:
    await needs.insert_cases(tx.conn, [(one.data.case_id, one.data.number) for one in received])


async def on_needs_added(tx: Transaction, received: Sequence[Received]) -> None:
    await needs.insert(tx.conn, [_need(one.data) for one in received])


async def on_need_amended(tx: Transaction, event: NeedAmended) -> None:
    await needs.move(tx.conn, event.need_id, event.place.zone)


async def on_need_at_risk(tx: Transaction, event: NeedAtRisk) -> None:
    await needs.go_at_risk(tx.conn, event.need_id, event.limit_cents)
    await usecases.resettle(tx, [event.need_id], {})


async def on_coverages_granted(tx: Transaction, received: Sequence[Received]) -> None:
    granted: list[CoverageGranted] = [one.data for one in received]
    await needs.grant(tx.conn, [(one.need_id, one.decision_id, one.guarantee, one.cap_gross_cents, one.member_rate) for one in granted])
    await usecases.resettle(tx, [one.need_id for one in granted], _causes(received))


async def on_coverage_refused(tx: Transaction, event: CoverageRefused) -> None:
    await needs.refuse(tx.conn, event.need_id, event.decision_id)
    await usecases.resettle(tx, [event.need_id], {})


async def on_coverage_released(tx: Transaction, event: CoverageReleased) -> None:
    """Giving units back says nothing about money, unless the decision is taken back with them. What is charged stands until the next one."""
    if event.reason in VOID:
        await needs.release(tx.conn, event.need_id, event.decision_id)


async def on_prestations_completed(tx: Transaction, received: Sequence[Received]) -> None:
    await usecases.perform(tx, [_performed(one.data) for one in received], _causes(received))


async def on_prestation_corrected(tx: Transaction, event: PrestationCorrected) -> None:
    await usecases.correct(tx, event.need_id, event.prestation_id, _lines(event.lines))


async def on_principal_changed(tx: Transaction, event: PrincipalChanged) -> None:
    terms = Terms(date.fromisoformat(event.valid_from), event.terms.fee_net_cents, event.terms.markup_rate, event.terms.vat_rate)
    await usecases.follow_principal(tx, Principal(event.principal_id, event.code, event.label, event.siren, terms))


async def on_provider_changed(tx: Transaction, event: ProviderChanged) -> None:
    await rules.save_provider(tx.conn, event.provider_id, event.label, event.siret)


def _need(event: NeedAdded) -> tuple[Need, int]:
    return Need(event.need_id, event.case_id, "", event.principal_id, event.service, event.place.zone), event.rank


def _performed(event: PrestationCompleted) -> Performed:
    return Performed(event.prestation_id, event.need_id, event.provider_id, event.service, event.performed.start, _lines(event.lines))


def _lines(lines: Sequence[Line]) -> tuple[Done, ...]:
    return tuple(Done(line.article, line.unit, line.quantity) for line in lines)


def _causes(received: Sequence[Received]) -> dict[str, Cause]:
    return {one.data.need_id: Cause.of(one.envelope) for one in received}


SUBSCRIPTIONS = [
    many(CaseOpened, on_cases_opened, patient=True),
    many(NeedAdded, on_needs_added, patient=True),
    each(NeedAmended, on_need_amended, patient=True),
    each(NeedAtRisk, on_need_at_risk, patient=True),
    many(CoverageGranted, on_coverages_granted, patient=True),
    each(CoverageRefused, on_coverage_refused, patient=True),
    each(CoverageReleased, on_coverage_released, patient=True),
    many(PrestationCompleted, on_prestations_completed),
    each(PrestationCorrected, on_prestation_corrected),
    each(PrincipalChanged, on_principal_changed),
    each(ProviderChanged, on_provider_changed),
]
