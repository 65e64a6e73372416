"""The small play with nothing wrong in it, in all four inputs: what a test plants its wrong in."""

from dataclasses import replace

from tests.checker.inputs import CASES, Entry, Inputs, Log, Row
from tests.checker.story_doors import doors
from tests.checker.story_log import A1, B1, B2, C1, DONE, INVOICE, MA, NOTE, OA1, OA2, OB, OC, VISIT, A, B, C, log
from tests.checker.story_rows import tables


def _diary() -> list[Entry]:
    def said(path: str, response: Row, outcome: str = "ok", key: str = "", method: str = "POST") -> Entry:
        return Entry("robot", method, path, key or path, 200 if outcome == "ok" else 409, response, outcome)  # type: ignore[arg-type]

    def opened(case: str, *needs: str) -> Row:
        return {"case_id": case, "needs": [{"need_id": need} for need in needs]}

    answers = [(A, [A1]), (B, [B1, B2]), (C, [C1])]
    return [
        *(said("/api/intake/v1/cases", opened(case, *needs), key=f"open-{case}") for case, needs in answers),
        replace(said("/api/intake/v1/cases", {}, key=f"open-{C}"), outcome="info", status=None, response="ReadTimeout"),
        said(f"/api/intake/v1/cases/{A}/notes", {"note_id": NOTE}),
        said(f"/api/dispatch/v1/offers/{OA1}/decline", {"offer_id": OA1}),
        said(f"/api/dispatch/v1/offers/{OA2}/accept", {"offer_id": OA2}, key="first"),
        said(f"/api/dispatch/v1/offers/{OA2}/accept", {"offer_id": OA2}, key="twice"),
        said(f"/api/dispatch/v1/offers/{OB}/accept", {"offer_id": OB}),
        said(f"/api/dispatch/v1/offers/{OC}/accept", {"code": "offer_expired"}, "fail"),
        said(f"/api/tracking/v1/missions/{MA}/start", {"visit_id": VISIT}),
        said(f"/api/tracking/v1/missions/{MA}/complete", {"visit_id": VISIT, "prestation_id": DONE}),
        said(f"/api/intake/v1/cases/{B}/needs/{B2}/cancel", opened(B, B1, B2)),
        said(f"/api/intake/v1/cases/{C}/needs/{C1}/cancel", opened(C, C1)),
        said("/api/billing/v1/invoices", {"invoice_id": INVOICE}),
    ]


def story() -> Inputs:
    """Made anew at each call: a test may plant in it what it likes."""
    records = log()
    ends = {(record.topic, record.partition): record.offset + 1 for record in records}
    # A relay that lost its lease sends once more what was sent: no harm.
    again = replace(next(record for record in records if record.topic == CASES), offset=ends[CASES, 0])
    ends[CASES, 0] += 1
    return Inputs(_diary(), Log([*records, again], [], ends), tables(records, ends), doors(), cases=3)
