"""A gesture: somebody grants what was refused, up to an amount. It takes nothing of the rights, neither units nor amounts.

NotRefused      409  the need is not refused: covered, waiting for the principal, or cancelled
NothingToGrant  409  the person holds no contract of this principal, so nobody could be charged
"""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from services.kit.errors import Conflict
from services.reference.domain.coverage import Consumed, Cover, Decision, Fact, Granted, without_task
from services.reference.domain.entitlement import Contract

GUARANTEE = "goodwill"  # stands where a granted need names its guarantee


class NotRefused(Conflict):
    code, title = "not_refused", "Only a refused need can be granted as a gesture"


class NothingToGrant(Conflict):
    code, title = "nothing_to_grant", "The person holds no contract of this principal"


def grant(
    cover: Cover, contract: Contract | None, cap_gross_cents: int, reason: str, by: tuple[str, str], decision_id: str, now: datetime, hold: timedelta
) -> Decision:
    """`by`: the kind and the id of who grants it. Raises `NotRefused`, `NothingToGrant`."""
    if cover.status not in ("refused", "lost") or not (cover.need_open or cover.performed):
        raise NotRefused
    if contract is None:
        raise NothingToGrant
    open_, closed = without_task(cover, "done_by_hand")
    granted = replace(
        open_,
        decision_id=decision_id,
        status="granted",
        reason=None,
        contract_id=contract.id,
        guarantee=GUARANTEE,
        period_start=contract.year(cover.claim.day)[0],
        renews_on=None,
        counts="interventions",
        units=Decimal(0),
        units_per_year=None,
        cap_gross_cents=cap_gross_cents,
        cap_gross_cents_per_year=None,
        member_rate=Decimal(0),
        expires_at=max(now, cover.claim.ends_at) + hold,
        trace=(*cover.trace, "goodwill"),
        goodwill_by=by[0],
        goodwill_actor=by[1],
        goodwill_reason=reason,
    )
    facts: list[Fact] = [Granted(granted), *closed]
    if not cover.performed:
        return granted, facts
    consumed = replace(granted, status="consumed")
    return consumed, [*facts, Consumed(consumed)]
