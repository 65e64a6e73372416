"""What is owed, and what remains."""

from decimal import Decimal
from typing import Any

from contracts import billing as b
from contracts import intake as i
from contracts import reference as r
from contracts.story.cast import (
    BILL,
    CASE,
    CHARGE,
    CREDIT,
    DONE,
    INVOICE,
    ISERE,
    MEMBER,
    PAYMENT,
    PRINCIPAL,
    TWIN,
    Told,
    agent,
    at,
    tow,
)


def settled() -> Told:
    lines = [
        b.MoneyLine(
            article="hook_up",
            unit="unit",
            quantity=Decimal("1"),
            unit_price_net=Decimal("95.00"),
            vat_rate=Decimal("0.20"),
            net_cents=9_500,
        ),
        b.MoneyLine(
            article="distance",
            unit="km",
            quantity=Decimal("12.5"),
            unit_price_net=Decimal("1.80"),
            vat_rate=Decimal("0.20"),
            net_cents=2_250,
        ),
    ]
    charged: dict[str, Any] = {"net_cents": 13_238, "vat_cents": 2_648, "gross_cents": 15_886}
    return [
        (
            150,
            b.BillPrepared(
                bill_id=BILL,
                prestation_id=DONE,
                provider_id=ISERE,
                lines=lines,
                net_cents=11_750,
                vat_cents=2_350,
                gross_cents=14_100,
                **tow,
            ),
        ),
        (
            150,
            b.ChargeRecorded(charge_id=CHARGE, prestation_id=DONE, principal_id=PRINCIPAL, member_gross_cents=0, **charged, **tow),
        ),
        (180, b.BillDisputed(bill_id=BILL, reason="tariff_disagreed", **tow)),
        (181, i.CaseReopened(case_id=CASE, reason="billing_question", reopened_by=agent)),
        (240, b.BillApproved(bill_id=BILL, **tow)),
        (241, i.CaseClosed(case_id=CASE, reason="by_hand", closed_by=agent)),
        (
            43_200,
            b.InvoiceIssued(
                invoice_id=INVOICE,
                number="F-2026-000031",
                principal_id=PRINCIPAL,
                period_from="2026-03-01",
                period_until="2026-03-31",
                charges=1,
                **charged,
            ),
        ),
        (43_200, b.CaseInvoiced(charge_id=CHARGE, invoice_id=INVOICE, **tow)),
        (
            43_260,
            b.PaymentOrdered(payment_id=PAYMENT, provider_id=ISERE, bill_ids=[BILL], gross_cents=14_100, executes_on="2026-04-02"),
        ),
        (43_260, b.CasePaid(bill_id=BILL, payment_id=PAYMENT, **tow)),
        (
            50_000,
            b.CreditNoteIssued(
                invoice_id=INVOICE,
                credit_note_id=CREDIT,
                number="A-2026-000004",
                reason="commercial_gesture",
                net_cents=900,
                vat_cents=180,
                gross_cents=1_080,
            ),
        ),
    ]


def erased() -> Told:
    merged = r.MemberLinked(case_id=CASE, opened_for=MEMBER, member_id=TWIN, reason="merged", linked_by=agent)
    return [(190_000, merged), (200_000, r.PersonErased(member_id=MEMBER, requested_at=at(199_000)))]
