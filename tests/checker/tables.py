"""SQL, as staff, in each service's own database: what it believes, and what it has sent and applied."""

import asyncio
from typing import Any

import asyncpg

from tests.checker.inputs import Row, Tables

KIT = {
    "outbox": "select aggregatetype as topic, aggregateid as key, seq, event_id::text as id,"
    " id not in (select id from kit.unsent) as published from kit.outbox",
    "counter": "select topic, key, last from kit.counter",
    "mark": "select topic, source, key, seq from kit.mark",
    "position": "select topic, partition, next_offset from kit.position",
    "parked": "select topic, key, reason from kit.parked_key",
    "paused": "select topic from kit.paused",
}
OWN = {
    "intake": {
        "cases": "select id::text, number, open from assistance_case",
        "needs": "select id::text, case_id::text, status from need",
        "notes": "select id::text, case_id::text from note",
    },
    "reference": {
        "covers": "select need_id::text as id, case_id::text, status from cover",
    },
    "dispatch": {
        "missions": "select id::text, case_id::text, need_id::text, status, provider_id::text, offer_id::text from mission",
        "offers": "select o.id::text, o.mission_id::text, o.provider_id::text, o.status, m.case_id::text, m.need_id::text"
        " from offer o join mission m on m.id = o.mission_id",
    },
    "tracking": {
        "visits": "select id::text, case_id::text, need_id::text, state, prestation_id::text from visit",
        "cases": "select case_id::text as id, state, events, crossings, not_understood, anomalies from view.case_view",
        "needs": "select need_id::text as id, case_id::text, rank, state, waiting_for, provider_id::text from view.need_view",
        "timeline": "select case_id::text, event_id::text as id from view.timeline",
    },
    "billing": {
        "bills": "select id::text, prestation_id::text, case_id::text, need_id::text, provider_id::text, net_cents, vat_cents, gross_cents,"
        " reverses::text from bill",
        "charges": "select id::text, prestation_id::text, case_id::text, need_id::text, principal_id::text, base_net_cents, markup_net_cents,"
        " fee_net_cents, net_cents, vat_rate::text, vat_cents, gross_cents, member_net_cents, member_gross_cents, reverses::text,"
        " invoice_id::text from charge",
        "invoices": "select id::text, principal_id::text, charges, net_cents, vat_cents, gross_cents from invoice",
        "ledger": "select e.document_kind as kind, e.document_id::text as document, e.id as entry, l.account, l.cents"
        " from entry e left join entry_line l on l.entry_id = e.id",
        "waiting": "select id::text from prestation where waiting_for is not null",
    },
}


async def collect(databases: dict[str, str]) -> Tables:
    found = await asyncio.gather(*(_service(service, dsn) for service, dsn in databases.items()))
    return Tables(dict(zip(databases, found, strict=True)))


async def _service(service: str, dsn: str) -> dict[str, list[Row]]:
    """One snapshot for all its queries."""
    conn = await asyncpg.connect(dsn, timeout=10, command_timeout=60)
    try:
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            return {name: [_row(row) for row in await conn.fetch(query)] for name, query in (KIT | OWN.get(service, {})).items()}
    finally:
        await conn.close()


async def unsettled(databases: dict[str, str], ends: dict[tuple[str, int], int]) -> list[str]:
    """What is still to be sent or to be applied, by service."""
    found = []
    for service, dsn in databases.items():
        conn = await asyncpg.connect(dsn, timeout=10, command_timeout=60)
        try:
            waiting = await conn.fetchval("select count(*) from kit.unsent")
            places = await conn.fetch(KIT["position"])
        finally:
            await conn.close()
        lag = sum(max(0, ends.get((place["topic"], place["partition"]), 0) - place["next_offset"]) for place in places)
        found += [f"{service}: {waiting} to be sent, {lag} to be applied"] if waiting or lag else []
    return found


def _row(record: Any) -> Row:
    return dict(record)
