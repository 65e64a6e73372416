"""What the services hold at the end of the play."""

from typing import Any

from tests.checker.inputs import CARDS, CASES, DELIVERIES, Record, Row, Tables
from tests.checker.story_log import A1, B1, B2, BILL, C1, CHARGE, DONE, INVOICE, MA, MB, MC, NOTE, OA1, OA2, OB, OC, P1, V1, V2, VISIT, A, B, C

SERVICES = ("intake", "reference", "dispatch", "tracking", "billing")
NEEDS = {A1: (A, 1, "performed"), B1: (B, 1, "refused"), B2: (B, 2, "cancelled"), C1: (C, 1, "cancelled")}


def tables(records: list[Record], ends: dict[tuple[str, int], int]) -> Tables:
    own = {"intake": _intake(), "reference": _reference(), "dispatch": _dispatch(), "tracking": _tracking(records), "billing": _billing()}
    return Tables({service: _kit(service, records, ends) | own[service] for service in SERVICES})


def _kit(service: str, records: list[Record], ends: dict[tuple[str, int], int]) -> dict[str, list[Row]]:
    counted = [record for record in records if record.topic != CARDS and not record.topic.startswith(DELIVERIES)]
    last = {(record.topic, record.source, record.key): record.seq for record in counted}
    sent = [record for record in records if record.source == service]
    return {
        "outbox": [{"topic": one.topic, "key": one.key, "seq": one.seq, "id": one.id, "published": True} for one in sent],
        "counter": [{"topic": topic, "key": key, "last": seq} for (topic, source, key), seq in last.items() if source == service],
        "mark": [{"topic": topic, "source": source, "key": key, "seq": seq} for (topic, source, key), seq in last.items()],
        "position": [{"topic": topic, "partition": part, "next_offset": end} for (topic, part), end in ends.items() if "." not in topic],
        "parked": [],
        "paused": [],
    }


def _intake() -> dict[str, list[Row]]:
    return {
        "cases": [{"id": one, "number": "", "open": False} for one in (A, B, C)],
        "notes": [{"id": NOTE, "case_id": A}],
        "needs": [{"id": need, "case_id": case, "status": status} for need, (case, _, status) in NEEDS.items()],
    }


def _reference() -> dict[str, list[Row]]:
    words = {A1: "consumed", B1: "refused", B2: "released", C1: "released"}
    return {"covers": [{"id": need, "case_id": case, "status": words[need]} for need, (case, _, _) in NEEDS.items()]}


def _dispatch() -> dict[str, list[Row]]:
    missions = {A1: (MA, "done"), B1: ("mission of nobody", "waiting"), B2: (MB, "cancelled"), C1: (MC, "cancelled")}
    offers = [(OA1, A1, V1, "declined"), (OA2, A1, V2, "accepted"), (OB, B2, V2, "taken_back"), (OC, C1, V1, "expired")]
    return {
        "missions": [
            {"id": missions[need][0], "case_id": case, "need_id": need, "status": missions[need][1]} for need, (case, _, _) in NEEDS.items()
        ],
        "offers": [
            {"id": one, "mission_id": missions[need][0], "provider_id": provider, "status": status, "need_id": need, "case_id": NEEDS[need][0]}
            for one, need, provider, status in offers
        ],
    }


def _tracking(records: list[Record]) -> dict[str, list[Row]]:
    of_cases = [record for record in records if record.topic == CASES]
    view: Row = {"state": "closed", "crossings": 0, "not_understood": 0, "anomalies": 0}
    return {
        "visits": [{"id": VISIT, "case_id": A, "need_id": A1, "state": "done", "prestation_id": DONE}],
        "cases": [{"id": case, **view, "events": sum(one.key == case for one in of_cases), "crossings": int(case == B)} for case in (A, B, C)],
        "needs": [
            {"id": need, "case_id": case, "rank": rank, "state": state, "waiting_for": None, "provider_id": V2 if need == A1 else None}
            for need, (case, rank, state) in NEEDS.items()
        ],
        "timeline": [{"case_id": record.key, "id": record.id} for record in of_cases],
    }


def _billing() -> dict[str, list[Row]]:
    of: Row = {"prestation_id": DONE, "case_id": A, "need_id": A1, "reverses": None}
    bill = of | {"id": BILL, "provider_id": V2, "net_cents": 5385, "vat_cents": 1077, "gross_cents": 6462}
    charge = of | {"id": CHARGE, "principal_id": P1, "base_net_cents": 4500, "markup_net_cents": 225, "fee_net_cents": 900, "net_cents": 5625}
    charge |= {"vat_rate": "0.20", "vat_cents": 1125, "gross_cents": 6750, "member_net_cents": 885, "member_gross_cents": 1062, "invoice_id": INVOICE}
    invoice = {"id": INVOICE, "principal_id": P1, "charges": 1, "net_cents": 5625, "vat_cents": 1125, "gross_cents": 6750}
    entries: list[tuple[str, str, dict[str, Any]]] = [
        ("bill", BILL, {"cost_of_services": 5385, "vat_deductible": 1077, "provider_payable": -6462}),
        ("charge", CHARGE, {"to_be_invoiced": 5625, "member_receivable": 1062, "revenue": -6510, "vat_collected": -177}),
        ("invoice", INVOICE, {"principal_receivable": 6750, "to_be_invoiced": -5625, "vat_collected": -1125}),
    ]
    ledger = [
        {"kind": kind, "document": document, "entry": number, "account": account, "cents": cents}
        for number, (kind, document, lines) in enumerate(entries, 1)
        for account, cents in lines.items()
    ]
    return {"bills": [bill], "charges": [charge], "invoices": [invoice], "ledger": ledger, "waiting": []}
