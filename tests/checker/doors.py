"""The five doors, asked through the gateway by those who use them; and each outsider asks for what is another's."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import replace

import httpx

from tests.checker.fold import Case
from tests.checker.http import AT_ONCE, Caller
from tests.checker.inputs import Doors, Probe, Row, Seen

TRACKING, DISPATCH, BILLING, INTAKE = "/api/tracking/v1", "/api/dispatch/v1", "/api/billing/v1", "/api/intake/v1"
PAGE = 200
PROBES = 1  # of each sort, by each outsider


async def collect(gateway_url: str, credentials: Row, cases: dict[str, Case]) -> Doors:
    """`credentials`: desk, principals, providers, members, each {client_id, secret, tenant}. Raises `Refused`."""
    limit = asyncio.Semaphore(AT_ONCE)
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=gateway_url, timeout=30, limits=limits) as http:

        def callers(name: str) -> list[Caller]:
            return [Caller(http, limit, one) for one in credentials.get(name, [])]

        desk = credentials["desk"][0] if isinstance(credentials["desk"], list) else credentials["desk"]
        agent = Caller(http, limit, desk)
        principals, members, providers = callers("principals"), callers("members"), callers("providers")
        desk_cases, totals, seen = await asyncio.gather(
            _cases(agent, cases),
            agent.case(f"{TRACKING}/totals"),
            _outsiders(principals, members, providers, cases),
        )
        doors = Doors(
            desk=desk_cases,
            principals={one.id: seen[one.id] for one in principals},
            members={one.id: seen[one.id] for one in members},
            providers={one.id: seen[one.id] for one in providers},
            totals=totals or {},
        )
        return replace(doors, probes=await _probes(doors, principals, members, providers, cases))


async def _outsiders(principals: list[Caller], members: list[Caller], providers: list[Caller], cases: dict[str, Case]) -> dict[str, Seen]:
    found = await asyncio.gather(
        *(_principal(one, [case.id for case in cases.values() if case.principal == one.id]) for one in principals),
        *(_member(one, [case.id for case in cases.values() if case.member == one.id]) for one in members),
        *(_provider(one) for one in providers),
    )
    return dict(zip([one.id for one in (*principals, *members, *providers)], found, strict=True))


async def _cases(caller: Caller, ids: Iterable[str]) -> dict[str, Row]:
    asked = list(ids)
    found = await asyncio.gather(*(caller.case(f"{TRACKING}/cases/{one}") for one in asked))
    return {one: shown for one, shown in zip(asked, found, strict=True) if shown is not None}


async def _principal(caller: Caller, ids: list[str]) -> Seen:
    listed, charges, invoices, cases = await asyncio.gather(
        caller.pages(f"{TRACKING}/cases", "cases", limit=PAGE),
        caller.pages(f"{BILLING}/charges", "charges", limit=PAGE),
        caller.pages(f"{BILLING}/invoices", "invoices", limit=PAGE),
        _cases(caller, ids),
    )
    return Seen({"cases": listed, "charges": charges, "invoices": invoices}, cases)


async def _member(caller: Caller, ids: list[str]) -> Seen:
    listed, cases = await asyncio.gather(caller.pages(f"{TRACKING}/cases", "cases", limit=PAGE), _cases(caller, ids))
    return Seen({"cases": listed}, cases)


async def _provider(caller: Caller) -> Seen:
    missions, offers, feed, bills = await asyncio.gather(
        caller.pages(f"{DISPATCH}/missions", "missions", limit=PAGE),
        caller.pages(f"{DISPATCH}/offers", "offers"),
        caller.pages(f"{DISPATCH}/feed", "items", limit=PAGE),
        caller.pages(f"{BILLING}/bills", "bills", limit=PAGE),
    )
    return Seen({"missions": missions, "offers": offers, "feed": feed, "bills": bills})


async def _probes(doors: Doors, principals: list[Caller], members: list[Caller], providers: list[Caller], cases: dict[str, Case]) -> list[Probe]:
    asked = [
        *(("principal", one, what, path) for one in principals for what, path in _of_principal(one.id, doors, cases)),
        *(("member", one, what, path) for one in members for what, path in _of_member(one.id, cases)),
        *(("provider", one, what, path) for one in providers for what, path in _of_provider(one.id, doors, cases)),
    ]
    answers = await asyncio.gather(*(caller.get(path) for _, caller, _, path in asked))
    return [
        Probe(door, caller.id, what, path.rpartition("/")[2], answer.status_code)
        for (door, caller, what, path), answer in zip(asked, answers, strict=True)
    ]


def _of_principal(principal: str, doors: Doors, cases: dict[str, Case]) -> Iterator[tuple[str, str]]:
    for case in _few(case.id for case in cases.values() if case.principal != principal):
        yield "case at tracking", f"{TRACKING}/cases/{case}"
        yield "case at intake", f"{INTAKE}/cases/{case}"
    for invoice in _few(row["id"] for other, seen in doors.principals.items() if other != principal for row in seen.lists["invoices"]):
        yield "invoice", f"{BILLING}/invoices/{invoice}"


def _of_member(member: str, cases: dict[str, Case]) -> Iterator[tuple[str, str]]:
    for case in _few(case.id for case in cases.values() if case.member != member):
        yield "case at tracking", f"{TRACKING}/cases/{case}"
        yield "case at intake", f"{INTAKE}/cases/{case}"


def _of_provider(provider: str, doors: Doors, cases: dict[str, Case]) -> Iterator[tuple[str, str]]:
    """Needs that were never offered to it."""
    needs = [need for case in cases.values() for need in case.needs.values()]
    strange = [need for need in needs if provider not in {offer.mission[1] for offer in need.offers.values()}]
    for mission in _few(offer.mission[0] for need in strange for offer in list(need.offers.values())[:1]):
        yield "mission at dispatch", f"{DISPATCH}/missions/{mission}"
        yield "mission at tracking", f"{TRACKING}/missions/{mission}"
    known = {need.case for need in needs if any(offer.mission[1] == provider for offer in need.offers.values())}
    for case in _few(case for case in cases if case not in known):
        yield "case at tracking", f"{TRACKING}/cases/{case}"
    for bill in _few(row["id"] for other, seen in doors.providers.items() if other != provider for row in seen.lists["bills"]):
        yield "bill", f"{BILLING}/bills/{bill}"


def _few(ids: Iterable[str]) -> Iterator[str]:
    for number, one in enumerate(ids):
        if number == PROBES:
            return
        yield one
