"""Which decisions a change would have altered, had it been known then. Nothing is changed: a person decides what to do.

A need is looked at when a contract of its member, the member's last day, a guarantee of one of these contracts or the terms of its principal were
recorded as changed after its decision. It is decided once more, at its own date, by contracts, guarantees and terms as they are known now, with
units and amounts as they stood when it was decided (they are kept with it), and compared: covered or not, the reason, the contract and
guarantee, the cap and the member's rate. Not looked at: gestures, and needs whose member is provisional.
"""

from dataclasses import dataclass

from services.kit.db import Connection
from services.reference.domain.choice import Refusal, Verdict, choose
from services.reference.domain.coverage import Cover
from services.reference.domain.entitlement import Rights, RightsKey
from services.reference.store import coverage as store
from services.reference.store import retroactive as candidates
from services.reference.usecases import coverage

LOOKED_AT = 500  # needs a page, at most


@dataclass(frozen=True, slots=True)
class Altered:
    """`was`, `would_be`: granted, asked (the principal must agree first) or refused. The rest: what it would be."""

    cover: Cover
    was: str
    would_be: str
    reason: str | None
    guarantee: str | None
    cap_gross_cents: int | None


async def altered(conn: Connection, since: object, after: str | None, limit: int) -> tuple[list[Altered], str | None]:
    """Up to `limit` of them by need, and from where to go on, None at the end. `since`: when the changes were recorded."""
    found: list[Altered] = []
    covers = await candidates.decided_before(conn, since, after, LOOKED_AT)
    people = await store.persons(conn, list({cover.claim.member_id for cover in covers}))
    for cover in covers:
        person = people.get(cover.claim.member_id)
        others = {cover.claim.contract_id or ""} if cover.reason == "beneficiary_not_covered" else set()
        tried = coverage.tried(person, cover.claim, others)
        one = _compared(cover, choose(tried, _stood(cover), cover.claim, _elsewhere(cover)))
        if one:
            found.append(one)
        if len(found) == limit:
            return found, cover.need_id
    return found, covers[-1].need_id if len(covers) == LOOKED_AT else None


def _stood(cover: Cover) -> dict[RightsKey, Rights]:
    """What was used or reserved when it was decided."""
    return {one.key: one.rights for one in cover.tried if one.key}


def _elsewhere(cover: Cover) -> set[tuple[str, str]]:
    return {(one.contract_id, one.guarantee) for one in cover.tried if one.contract_id and one.guarantee and one.trace[-1] == "already_covered"}


def _compared(cover: Cover, verdict: Verdict) -> Altered | None:
    refused = cover.status in ("refused", "lost")
    covered = not refused or cover.reason in ("approval_refused", "approval_expired")  # as far as rules go
    was = "refused" if refused else "asked" if cover.status == "asked" else "granted"
    if isinstance(verdict, Refusal):
        same = not covered and verdict.reason == cover.reason
        return None if same else Altered(cover, was, "refused", verdict.reason, verdict.guarantee, None)
    asks = verdict.approval_cents is not None
    now = (verdict.key.contract_id, verdict.key.guarantee, verdict.cap_gross_cents, verdict.guarantee.member_rate, asks)
    then = (cover.contract_id, cover.guarantee, cover.cap_gross_cents, cover.member_rate, cover.approval_cents is not None)
    if covered and now == then:
        return None
    return Altered(cover, was, "asked" if asks else "granted", None, verdict.key.guarantee, verdict.cap_gross_cents)
