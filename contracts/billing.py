"""Events of `billing`: what a provider is owed, what a principal owes. Amounts are integer cents of `currency`."""

from typing import Literal

from contracts.common import Cents, Code, Day, Exact, Id, Number, Part
from contracts.registry import Event

Currency = Literal["EUR"]


class TariffLine(Part):
    article: Code
    unit: Code
    unit_price_net: Exact
    vat_rate: Exact


class TariffChanged(Event, owner="billing", name="tariff_changed", topic="tariffs", key="tariff_id"):
    """Full state of a dated tariff, of one provider or of all."""

    tariff_id: Id
    provider_id: Id | None = None
    service: Code
    valid_from: Day
    valid_until: Day | None = None
    lines: list[TariffLine]
    version: int


class MoneyLine(Part):
    article: Code
    unit: Code
    quantity: Exact
    unit_price_net: Exact
    vat_rate: Exact
    net_cents: Cents


class BillPrepared(Event, owner="billing", name="bill_prepared", key="case_id"):
    """The provider's bill for one prestation (payable). Corrected by two: one that `reverses` what stood, negative, then the right one."""

    case_id: Id
    need_id: Id
    bill_id: Id
    prestation_id: Id
    provider_id: Id
    currency: Currency = "EUR"
    lines: list[MoneyLine]
    net_cents: Cents
    vat_cents: Cents
    gross_cents: Cents
    reverses: Id | None = None


class BillApproved(Event, owner="billing", name="bill_approved", key="case_id"):
    """The provider's bill may be paid."""

    case_id: Id
    need_id: Id
    bill_id: Id


class BillDisputed(Event, owner="billing", name="bill_disputed", key="case_id"):
    """The provider's bill is contested; it is not paid meanwhile."""

    case_id: Id
    need_id: Id
    bill_id: Id
    reason: Code


class ChargeRecorded(Event, owner="billing", name="charge_recorded", key="case_id"):
    """What the principal will be invoiced for one need, and what is left to the member. Corrected as bills are: `reverses`, then anew."""

    case_id: Id
    need_id: Id
    charge_id: Id
    prestation_id: Id
    principal_id: Id
    currency: Currency = "EUR"
    net_cents: Cents
    vat_cents: Cents
    gross_cents: Cents
    member_gross_cents: Cents
    reverses: Id | None = None


class CaseInvoiced(Event, owner="billing", name="case_invoiced", key="case_id"):
    """The need's charge stands on an issued invoice."""

    case_id: Id
    need_id: Id
    charge_id: Id
    invoice_id: Id


class CasePaid(Event, owner="billing", name="case_paid", key="case_id"):
    """The provider's bill for the need is part of an ordered payment."""

    case_id: Id
    need_id: Id
    bill_id: Id
    payment_id: Id


class InvoiceIssued(Event, owner="billing", name="invoice_issued", topic="invoices", key="invoice_id"):
    """What a principal owes for a period."""

    invoice_id: Id
    number: Number
    principal_id: Id
    period_from: Day
    period_until: Day
    currency: Currency = "EUR"
    charges: int
    net_cents: Cents
    vat_cents: Cents
    gross_cents: Cents


class CreditNoteIssued(Event, owner="billing", name="credit_note_issued", topic="invoices", key="invoice_id"):
    """What is taken back of an issued invoice. Amounts are positive."""

    invoice_id: Id
    credit_note_id: Id
    number: Number
    reason: Code
    currency: Currency = "EUR"
    net_cents: Cents
    vat_cents: Cents
    gross_cents: Cents


class PaymentOrdered(Event, owner="billing", name="payment_ordered", topic="invoices", key="payment_id"):
    """The bills of one provider paid together."""

    payment_id: Id
    provider_id: Id
    bill_ids: list[Id]
    currency: Currency = "EUR"
    gross_cents: Cents
    executes_on: Day
