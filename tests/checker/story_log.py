"""The log of a small play, written down by hand: four needs in three cases, of two principals.

A: declined by one provider, done by the other, billed and invoiced. B: one need refused, one cancelled while it was accepted.
C: nobody wanted it, a person settled it.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from tests.checker.inputs import CARDS, CASES, DELIVERIES, Record, Row


def uid(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012x}"


P1, P2, M1, M2, M3, V1, V2 = map(uid, range(1, 8))
A, B, C = uid(0xA0), uid(0xB0), uid(0xC0)
A1, B1, B2, C1 = uid(0xA1), uid(0xB1), uid(0xB2), uid(0xC1)
MA, MB, MC = uid(0xA2), uid(0xB3), uid(0xC2)
OA1, OA2, OB, OC = uid(0xA3), uid(0xA4), uid(0xB4), uid(0xC3)
VISIT, DONE, BILL, CHARGE, INVOICE, NOTE, TARIFF = uid(0xA5), uid(0xA6), uid(0xA7), uid(0xA8), uid(0xA9), uid(0xAA), uid(0xF0)
PLACE = {"insee": "69123", "zone": "Europe/Paris"}
LINES = [{"article": "labour", "unit": "hour", "quantity": "1.5"}, {"article": "travel", "unit": "km", "quantity": "7"}]
PRICES = {"labour": "33.33", "travel": "0.55"}


@dataclass
class Tape:
    """Writes the log: seq by (source, topic, key), one partition a topic."""

    records: list[Record] = field(default_factory=list)
    seqs: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def emit(self, kind: str, key: str, topic: str = CASES, cause: Record | None = None, /, **body: Any) -> Record:
        source = "dispatch" if topic.startswith(DELIVERIES) else {"card": "intake"}.get(kind.partition(".")[0], kind.partition(".")[0])
        chain = source, topic, "" if topic.startswith(DELIVERIES) else key
        self.seqs[chain] = self.seqs.get(chain, 0) + 1
        number = len(self.records)
        offset = sum(record.topic == topic for record in self.records)
        made = Record(topic, 0, offset, key, source, kind, uid(0x1000 + number), self.seqs[chain], cause.id if cause else uid(0x9000 + number), b"")
        made = replace(made, value=json.dumps(body).encode())
        self.records.append(made)
        return made

    def about(self, kind: str, case: str, need: str, cause: Record | None = None, **body: Any) -> Record:
        return self.emit(kind, case, CASES, cause, case_id=case, need_id=need, **body)

    def tell(self, provider: str, offer: str, kind: str) -> None:
        self.emit("dispatch.mission", offer, f"{DELIVERIES}{provider}.missions", None, offer_id=offer, kind=kind)


def _open(tape: Tape, case: str, number: str, principal: str, member: str, *needs: str) -> list[Record]:
    ours = {"principal_id": principal, "member_id": member}
    tape.emit("card.case", f"case:{case}", CARDS, id=case, version=1)
    opened = tape.emit("intake.case_opened", case, case_id=case, number=number, card={"kind": "case", "id": case, "version": 1}, **ours)
    wish = {"service": "gardening", "place": PLACE, **ours}
    return [tape.about("intake.need_added", case, need, opened, rank=rank, **wish) for rank, need in enumerate(needs, 1)]


def _grant(tape: Tape, added: Record, case: str, need: str) -> Record:
    return tape.about("reference.coverage_granted", case, need, added, decision_id=uid(0xE0), cap_gross_cents=6000, member_rate="0.1")


def _told(tape: Tape) -> None:
    terms = {"fee_net_cents": 900, "markup_rate": "0.05", "vat_rate": "0.20"}
    for principal in (P1, P2):
        tape.emit("reference.principal_changed", principal, "principals", principal_id=principal, valid_from="2026-01-01", terms=terms)
    prices = [{**line, "unit_price_net": PRICES[str(line["article"])], "vat_rate": "0.20"} for line in LINES]
    tape.emit("billing.tariff_changed", TARIFF, "tariffs", tariff_id=TARIFF, service="gardening", valid_from="2026-01-01", lines=prices)


def _case_a(tape: Tape) -> None:
    [added] = _open(tape, A, "100000008", P1, M1, A1)
    granted = _grant(tape, added, A, A1)
    first: Row = {"mission_id": MA, "offer_id": OA1, "provider_id": V1}
    second: Row = {"mission_id": MA, "offer_id": OA2, "provider_id": V2}
    tape.about("dispatch.mission_offered", A, A1, granted, **first)
    declined = tape.about("dispatch.mission_declined", A, A1, **first, declined_by={"kind": "provider", "id": V1})
    tape.about("dispatch.mission_offered", A, A1, declined, **second)
    tape.tell(V2, OA2, "offered")
    accepted = tape.about("dispatch.mission_accepted", A, A1, **second, accepted_by={"kind": "provider", "id": V2})
    tape.tell(V2, OA2, "accepted")
    visit: Row = {"mission_id": MA, "visit_id": VISIT, "provider_id": V2}
    tape.about("tracking.visit_scheduled", A, A1, accepted, **visit)
    tape.emit("card.note", f"note:{NOTE}", CARDS, id=NOTE, version=1)
    tape.emit("intake.note_added", A, case_id=A, card={"kind": "note", "id": NOTE, "version": 1})
    tape.about("tracking.visit_started", A, A1, **visit)
    done: Row = {"mission_id": MA, "prestation_id": DONE, "provider_id": V2, "service": "gardening", "lines": LINES}
    ended = tape.about("tracking.prestation_completed", A, A1, performed={"start": "2026-11-02T23:30:00Z", "end": "2026-11-03T01:00:00Z"}, **done)
    tape.tell(V2, OA2, "done")
    _money(tape, ended)
    tape.emit("intake.case_closed", A, case_id=A, reason="all_done")


def _money(tape: Tape, ended: Record) -> None:
    """1.5 x 33.33 = 50.00 and 7 x 0.55 = 3.85, VAT 10.77: 64.62. Covered up to 60.00 less a tenth: the principal's 54.00, the member's 10.62."""
    nets = {"labour": 5000, "travel": 385}
    lines = [{**line, "unit_price_net": PRICES[str(line["article"])], "vat_rate": "0.20", "net_cents": nets[str(line["article"])]} for line in LINES]
    document: Row = {"prestation_id": DONE, "provider_id": V2, "lines": lines, "net_cents": 5385, "vat_cents": 1077, "gross_cents": 6462}
    billed = tape.about("billing.bill_prepared", A, A1, ended, bill_id=BILL, **document)
    tape.about("billing.bill_approved", A, A1, billed, bill_id=BILL)
    # base 53.85 x 54.00/64.62 = 45.00, markup 2.25, fee 9.00
    amounts: Row = {"net_cents": 5625, "vat_cents": 1125, "gross_cents": 6750, "member_gross_cents": 1062}
    tape.about("billing.charge_recorded", A, A1, ended, charge_id=CHARGE, prestation_id=DONE, principal_id=P1, **amounts)
    invoice: Row = {"net_cents": 5625, "vat_cents": 1125, "gross_cents": 6750}
    tape.emit("billing.invoice_issued", INVOICE, "invoices", invoice_id=INVOICE, principal_id=P1, charges=1, **invoice)
    tape.about("billing.case_invoiced", A, A1, charge_id=CHARGE, invoice_id=INVOICE)


def _case_b(tape: Tape) -> None:
    first, second = _open(tape, B, "200000006", P2, M2, B1, B2)
    tape.about("reference.coverage_refused", B, B1, first, decision_id=uid(0xE1), reason="no_contract")
    granted = _grant(tape, second, B, B2)
    offer: Row = {"mission_id": MB, "offer_id": OB, "provider_id": V2}
    tape.about("dispatch.mission_offered", B, B2, granted, **offer)
    tape.tell(V2, OB, "offered")
    cancelled = tape.about("intake.need_cancelled", B, B2, reason="changed_mind")
    tape.about("dispatch.mission_accepted", B, B2, **offer, accepted_by={"kind": "provider", "id": V2})
    tape.tell(V2, OB, "accepted")
    tape.about("dispatch.mission_cancelled", B, B2, cancelled, mission_id=MB, provider_id=V2, reason="need_cancelled", again=False)
    tape.tell(V2, OB, "cancelled")
    tape.emit("intake.case_closed", B, case_id=B, reason="mixed")


def _case_c(tape: Tape) -> None:
    [added] = _open(tape, C, "300000004", P1, M3, C1)
    granted = _grant(tape, added, C, C1)
    offer: Row = {"mission_id": MC, "offer_id": OC, "provider_id": V1}
    tape.about("dispatch.mission_offered", C, C1, granted, **offer)
    expired = tape.about("dispatch.offer_expired", C, C1, **offer)
    tape.about("dispatch.mission_unfilled", C, C1, expired, mission_id=MC, attempts=1, reason="no_answer")
    tape.about("intake.need_cancelled", C, C1, reason="no_provider_found")
    tape.emit("intake.case_closed", C, case_id=C, reason="all_cancelled")


def log() -> list[Record]:
    tape = Tape()
    _told(tape)
    for play in (_case_a, _case_b, _case_c):
        play(tape)
    return tape.records
