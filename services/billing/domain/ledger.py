"""Double entry: every document is one entry whose lines sum to zero. Debits are positive."""

from dataclasses import dataclass
from typing import Literal

from services.billing.domain.charging import Charge
from services.billing.domain.invoicing import Invoice
from services.billing.domain.pricing import Bill

Account = Literal[
    "provider_payable",
    "principal_receivable",
    "member_receivable",
    "to_be_invoiced",
    "cost_of_services",
    "revenue",
    "vat_deductible",
    "vat_collected",
]


@dataclass(frozen=True, slots=True)
class Entry:
    document_kind: Literal["bill", "charge", "invoice"]
    document_id: str
    lines: tuple[tuple[Account, int], ...]


def entry(document: Bill | Charge | Invoice) -> Entry:
    """The principal's VAT is collected by the invoice, the member's by the charge."""
    match document:
        case Bill():
            return _entry(
                "bill",
                document.id,
                ("cost_of_services", document.net_cents),
                ("vat_deductible", document.vat_cents),
                ("provider_payable", -document.gross_cents),
            )
        case Charge():
            return _entry(
                "charge",
                document.id,
                ("to_be_invoiced", document.net_cents),
                ("member_receivable", document.member_gross_cents),
                ("revenue", -document.net_cents - document.member_net_cents),
                ("vat_collected", -document.member_vat_cents),
            )
        case Invoice():
            return _entry(
                "invoice",
                document.id,
                ("principal_receivable", document.gross_cents),
                ("to_be_invoiced", -document.net_cents),
                ("vat_collected", -document.vat_cents),
            )


def _entry(kind: Literal["bill", "charge", "invoice"], document_id: str, *lines: tuple[Account, int]) -> Entry:
    return Entry(kind, document_id, tuple(line for line in lines if line[1]))
