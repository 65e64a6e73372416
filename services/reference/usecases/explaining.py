"""Why a need is covered or not: every contract and guarantee that the last decision tried, with its rules."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from contracts.reasons import COVERAGE_REFUSED
from services.kit.db import Connection
from services.reference.domain.choice import Tried
from services.reference.domain.coverage import Cover
from services.reference.store import contracts
from services.reference.store import coverage as store


@dataclass(frozen=True, slots=True)
class Named:
    """`contract`: its number; `product`: its label. None for what was tried before any contract."""

    tried: Tried
    contract: str | None
    product: str | None
    chosen: bool

    @property
    def good(self) -> bool:
        return self.tried.trace[-1] not in COVERAGE_REFUSED


@dataclass(frozen=True, slots=True)
class Explained:
    cover: Cover
    tried: list[Named]


async def need(conn: Connection, need_id: str) -> Explained | None:
    """None for a need that nobody asked about, or that is not the caller's."""
    cover = await store.read(conn, need_id)
    return (await _explained(conn, [cover]))[0] if cover else None


async def case(conn: Connection, case_id: str) -> list[Explained]:
    """Of all needs of a case that the caller may see."""
    return await _explained(conn, await store.of_cases(conn, [case_id]))


async def _explained(conn: Connection, covers: list[Cover]) -> list[Explained]:
    names = await contracts.names(conn, {one.contract_id for cover in covers for one in cover.tried if one.contract_id})
    return [Explained(cover, _named(cover, names)) for cover in covers]


def _named(cover: Cover, names: Mapping[str, tuple[str, str]]) -> list[Named]:
    """Without the contracts that the caller may not see; with what the principal answered. What was decided before this was kept has only
    the rules of the choice."""
    tried = cover.tried or (Tried(cover.contract_id, cover.guarantee, cover.period_start, cover.trace),)
    named = []
    for one in tried:
        if one.contract_id in names or one.contract_id is None:
            number, label = names.get(one.contract_id or "", (None, None))
            decided = (one.contract_id, one.guarantee) == (cover.contract_id, cover.guarantee) and cover.trace[: len(one.trace)] == one.trace
            chosen = decided and cover.guarantee is not None and cover.trace[-1] not in COVERAGE_REFUSED
            named.append(Named(replace(one, trace=cover.trace) if decided else one, number, label, chosen))
    return named
