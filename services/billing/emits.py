"""Billing's facts as contract events."""

from datetime import datetime, timedelta

from contracts import billing as contract
from contracts.common import TaskClosed, TaskOpened
from contracts.registry import Event
from services.billing.domain.charging import Charge
from services.billing.domain.invoicing import Invoice
from services.billing.domain.pricing import Bill, Tariff
from services.billing.domain.settling import Document, Prestation

TASK_DUE = timedelta(days=1)


def tariff_changed(tariff: Tariff) -> contract.TariffChanged:
    return contract.TariffChanged(
        tariff_id=tariff.id,
        provider_id=tariff.provider_id,
        service=tariff.service,
        valid_from=tariff.valid_from.isoformat(),
        valid_until=tariff.valid_until and tariff.valid_until.isoformat(),
        lines=[
            contract.TariffLine(article=line.article, unit=line.unit, unit_price_net=line.unit_price_net, vat_rate=line.vat_rate)
            for line in tariff.lines
        ],
        version=tariff.version,
    )


def made(prestation: Prestation, document: Document) -> list[Event]:
    return _billed(prestation, document) if isinstance(document, Bill) else [_charged(prestation, document)]


def bill_approved(case_id: str, need_id: str, bill_id: str) -> contract.BillApproved:
    return contract.BillApproved(case_id=case_id, need_id=need_id, bill_id=bill_id)


def invoiced(invoice: Invoice) -> list[Event]:
    issued = contract.InvoiceIssued(
        invoice_id=invoice.id,
        number=invoice.number,
        principal_id=invoice.principal_id,
        period_from=invoice.period_from.isoformat(),
        period_until=invoice.period_until.isoformat(),
        charges=len(invoice.charges),
        net_cents=invoice.net_cents,
        vat_cents=invoice.vat_cents,
        gross_cents=invoice.gross_cents,
    )
    return [
        issued,
        *(
            contract.CaseInvoiced(case_id=charge.case_id, need_id=charge.need_id, charge_id=charge.id, invoice_id=invoice.id)
            for charge in invoice.charges
        ),
    ]


def task_opened(prestation: Prestation, task_id: str, kind: str, now: datetime) -> TaskOpened:
    return TaskOpened(task_id=task_id, kind=kind, role="finance", due_at=now + TASK_DUE, case_id=prestation.case_id, need_id=prestation.need_id)


def task_closed(prestation: Prestation, task_id: str) -> TaskClosed:
    return TaskClosed(task_id=task_id, outcome="resolved_itself", case_id=prestation.case_id, need_id=prestation.need_id)


def _billed(prestation: Prestation, bill: Bill) -> list[Event]:
    prepared = contract.BillPrepared(
        case_id=prestation.case_id,
        need_id=prestation.need_id,
        bill_id=bill.id,
        prestation_id=prestation.id,
        provider_id=prestation.provider_id,
        lines=[
            contract.MoneyLine(
                article=line.article,
                unit=line.unit,
                quantity=line.quantity,
                unit_price_net=line.unit_price_net,
                vat_rate=line.vat_rate,
                net_cents=line.net_cents,
            )
            for line in bill.lines
        ],
        net_cents=bill.net_cents,
        vat_cents=bill.vat_cents,
        gross_cents=bill.gross_cents,
        reverses=bill.reverses,
    )
    return [prepared, bill_approved(prestation.case_id, prestation.need_id, bill.id)] if bill.approved else [prepared]


def _charged(prestation: Prestation, charge: Charge) -> contract.ChargeRecorded:
    return contract.ChargeRecorded(
        case_id=prestation.case_id,
        need_id=prestation.need_id,
        charge_id=charge.id,
        prestation_id=prestation.id,
        principal_id=prestation.principal_id,
        net_cents=charge.net_cents,
        vat_cents=charge.vat_cents,
        gross_cents=charge.gross_cents,
        member_gross_cents=charge.member_gross_cents,
        reverses=charge.reverses,
    )
