"""The rights menu: for each service that anybody is entitled to, what the answer to this person would be."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from services.kit import places
from services.kit.db import Connection
from services.reference.domain.choice import Grant, Verdict, choose
from services.reference.domain.entitlement import CONTRACT_ZONE, Claim, Contract, Guarantee, Option, Rights, RightsKey
from services.reference.store import catalog
from services.reference.store import coverage as store
from services.reference.usecases import coverage

VISIT = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Choice:
    """`contract` and `guarantee`: by which it is granted, or which came nearest to granting it."""

    service: str
    verdict: Verdict
    contract: Contract | None
    guarantee: Guarantee | None
    rights: Rights

    @property
    def granted(self) -> bool:
        return isinstance(self.verdict, Grant)


def claim(member_id: str, service: str, insee: str, at: datetime, quantity: Decimal = Decimal(1)) -> Claim:
    """Of any contract of the person. Raises `Invalid` for an unknown commune."""
    place = places.place(insee)
    return Claim(member_id, None, None, service, place.insee, place.departement, at, at + VISIT, quantity, "unit")


async def answer(conn: Connection, asked: Claim) -> Choice:
    """Reserves nothing."""
    [choice] = await _answers(conn, [asked])
    return choice


async def menu(conn: Connection, member_id: str, insee: str, at: datetime) -> list[Choice]:
    """Granted ones first, then those of a guarantee that does not hold today, then the rest."""
    services = await catalog.services(conn, at.astimezone(CONTRACT_ZONE).date())
    found = await _answers(conn, [claim(member_id, service, insee, at) for service in services])
    return sorted(found, key=lambda choice: (not choice.granted, choice.guarantee is None))


async def _answers(conn: Connection, asked: list[Claim]) -> list[Choice]:
    """About one person."""
    member_id = asked[0].member_id
    person = (await store.persons(conn, [member_id])).get(member_id)
    tried = [coverage.tried(person, one) for one in asked]
    rights = await store.read_rights(conn, (attempt.key for each in tried for attempt in each if isinstance(attempt, Option)))
    contracts = {contract.id: contract for contract in (person.contracts if person else ())}
    covers = await coverage.elsewhere(conn, [attempt for each in tried for attempt in each])
    verdicts = [choose(each, rights, one, coverage.overlapping(one, None, covers)) for one, each in zip(asked, tried, strict=True)]
    return [_choice(one, verdict, contracts, rights) for one, verdict in zip(asked, verdicts, strict=True)]


def _choice(asked: Claim, verdict: Verdict, contracts: Mapping[str, Contract], rights: Mapping[RightsKey, Rights]) -> Choice:
    contract = contracts.get((verdict.key.contract_id if isinstance(verdict, Grant) else verdict.contract_id) or "")
    code = verdict.guarantee.code if isinstance(verdict, Grant) else verdict.guarantee
    held = contract.guarantees_on(asked.day) if contract else []
    guarantee = next((one for one in held if one.code == code), None)
    used = rights.get(RightsKey(contract.id, guarantee.code, contract.year(asked.day)[0]), Rights()) if contract and guarantee else Rights()
    return Choice(asked.service, verdict, contract, guarantee, used)
