"""What everybody is shown at the end of the play."""

from tests.checker.inputs import Doors, Probe, Row, Seen
from tests.checker.story_log import A1, B1, B2, BILL, C1, CHARGE, INVOICE, M1, M2, OA1, OA2, OB, OC, P1, P2, V1, V2, A, B, C

STATES = {A: {A1: "performed"}, B: {B1: "refused", B2: "cancelled"}, C: {C1: "cancelled"}}


def doors() -> Doors:
    return Doors(
        desk={case: _case(case) for case in (A, B, C)},
        principals={P1: _principal(P1, A, C), P2: _principal(P2, B)},
        members={M1: _listed(A), M2: _listed(B)},
        providers={V1: _first_provider(), V2: _second_provider()},
        probes=[Probe("principal", P2, "case at tracking", A, 404), Probe("provider", V1, "mission at dispatch", OB, 404)],
        totals={"anomalies": 0, "not_understood": 0},
    )


def _case(case: str) -> Row:
    ladder = [{"state": "closed", "status": "now"}]
    needs = [{"need_id": need, "state": state, "waiting_for": None, "ladder": ladder} for need, state in STATES[case].items()]
    return {"case_id": case, "state": "closed", "needs": needs}


def _listed(*cases: str) -> Seen:
    rows: list[Row] = [
        {"case_id": case, "state": "closed", "needs": [{"rank": rank, "state": state} for rank, state in enumerate(STATES[case].values(), 1)]}
        for case in cases
    ]
    return Seen({"cases": rows}, {case: _case(case) for case in cases})


def _principal(principal: str, *cases: str) -> Seen:
    seen = _listed(*cases)
    charges = [{"id": CHARGE, "case_id": A, "principal_id": P1}] if principal == P1 else []
    invoices = [{"id": INVOICE, "principal_id": P1}] if principal == P1 else []
    return Seen(seen.lists | {"charges": charges, "invoices": invoices}, seen.cases)


def _first_provider() -> Seen:
    """It reads a feed, and has no topic of its own."""
    told = [(OA1, "offered"), (OA1, "declined"), (OC, "offered"), (OC, "expired")]
    return Seen({"missions": [], "offers": [], "feed": _feed(told), "bills": []})


def _second_provider() -> Seen:
    told = [(OA2, "offered"), (OA2, "accepted"), (OA2, "done"), (OB, "offered"), (OB, "accepted"), (OB, "cancelled")]
    missions = [{"offer_id": OA2, "status": "done"}, {"offer_id": OB, "status": "cancelled"}]
    bills = [{"id": BILL, "case_id": A, "provider_id": V2}]
    return Seen({"missions": missions, "offers": [], "feed": _feed(told), "bills": bills})


def _feed(told: list[tuple[str, str]]) -> list[Row]:
    return [{"position": position, "offer_id": offer, "kind": kind} for position, (offer, kind) in enumerate(told, 1)]
