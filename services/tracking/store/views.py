"""The folded cases: `schema` is `view`, or `view_next` while they are rebuilt beside."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from contracts.case_state import FOLD_VERSION, CaseState, NeedState, from_json, to_json
from contracts.envelope import Envelope
from services.kit.db import Connection
from services.tracking.store import changes

Schema = Literal["view", "view_next"]


@dataclass(frozen=True, slots=True)
class Stored:
    state: CaseState
    events: int  # rows of its timeline


@dataclass(frozen=True, slots=True)
class Told:
    """A row of a timeline."""

    envelope: Envelope
    place: int
    need_id: str | None
    data: str | None  # JSON; None for a type or version not understood here


async def load(conn: Connection, schema: Schema, case_ids: Iterable[str]) -> dict[str, Stored]:
    """Locked, in one order for all."""
    rows = await conn.fetch(
        f"select case_id, folded, events from {schema}.case_view where case_id = any($1::uuid[]) order by case_id for update",  # noqa: S608 - a literal
        list(case_ids),
    )
    return {row["case_id"]: Stored(from_json(row["folded"]), row["events"]) for row in rows}


@dataclass(frozen=True, slots=True)
class Change:
    """Cases, each with the instant of its last event; needs, each with its case's id; rows of timelines."""

    cases: Sequence[tuple[Stored, datetime]]
    needs: Sequence[tuple[str, NeedState]]
    told: Sequence[Told]


async def save_beside(conn: Connection, change: Change) -> None:
    """Of a rebuild: nobody listens to the views beside."""
    await conn.execute(_SAVE_BESIDE, *_arguments(change))


def arguments(change: Change, topics: Mapping[str, str | None]) -> list[Any]:
    """Of `saving`."""
    return [*_arguments(change), *changes.arguments(topics)]


def saving(first: int) -> str:
    """The common table expressions, with parameters from `$first` on, that save a change and note the changed topics at their end
    (`changes.note`)."""
    written = " + ".join(f"(select count(*) from {name})" for name in ("cases", "needs", "told"))  # noqa: S608 - our own names
    return f"{_saving('view', first)}, {changes.noting(first + len(_CASE) + len(_NEED) + len(_TOLD), after=f'{written} > 0')}"


def _arguments(change: Change) -> list[Any]:
    cases, needs, told = change.cases, change.needs, change.told
    return [
        [stored.state.case_id for stored, _ in cases],
        [FOLD_VERSION] * len(cases),
        [to_json(stored.state) for stored, _ in cases],
        [stored.events for stored, _ in cases],
        [len(stored.state.needs) for stored, _ in cases],
        [stored.state.number for stored, _ in cases],
        [stored.state.principal_id for stored, _ in cases],
        [stored.state.member_id for stored, _ in cases],
        ["{" + ",".join(providers(stored.state)) + "}" for stored, _ in cases],
        [stored.state.state for stored, _ in cases],
        *_waits([stored.state for stored, _ in cases]),
        [stored.state.opened_at for stored, _ in cases],
        [at for _, at in cases],
        [len(stored.state.crossings) for stored, _ in cases],
        [len(stored.state.not_understood) for stored, _ in cases],
        [len(stored.state.anomalies) for stored, _ in cases],
        [need.need_id for _, need in needs],
        [case_id for case_id, _ in needs],
        [need.rank for _, need in needs],
        [need.service for _, need in needs],
        [need.place.insee for _, need in needs],
        [need.place.departement for _, need in needs],
        [need.state for _, need in needs],
        *_waits([need for _, need in needs]),
        [need.provider_id for _, need in needs],
        [need.mission_id for _, need in needs],
        [one.envelope.key for one in told],
        [one.place for one in told],
        [one.envelope.id for one in told],
        [one.envelope.source for one in told],
        [one.envelope.seq for one in told],
        [one.envelope.type for one in told],
        [one.envelope.time for one in told],
        [one.need_id for one in told],
        [one.data for one in told],
    ]


def providers(state: CaseState) -> list[str]:
    """All that were ever asked."""
    return sorted({offer.provider_id for need in state.needs.values() for offer in need.offers.values()})


def _waits(of: Sequence[CaseState] | Sequence[NeedState]) -> tuple[list[Any], list[Any], list[Any]]:
    waits = [one.waiting for one in of]
    return [w and w.for_ for w in waits], [w and w.since for w in waits], [w and w.next for w in waits]


def _insert(schema: Schema, table: str, columns: dict[str, str], first: int, *, key: str | None = None) -> str:
    """One row per place of the arrays, which are the parameters from `first` on; with a key, a row that is there is replaced."""
    # An array of arrays cannot be unnested row by row, nor an array of json decoded: those come as text.
    arrays = ", ".join(f"${n}::{'text' if kind in ('uuid[]', 'jsonb') else kind}[]" for n, kind in enumerate(columns.values(), first))
    values = ", ".join(f"t.{name}::{kind}" for name, kind in columns.items())
    names = ", ".join(columns)
    replaced = ", ".join(f"{name} = excluded.{name}" for name in columns if name != key)
    upsert = f" on conflict ({key}) do update set {replaced}" if key else ""
    return f"insert into {schema}.{table} ({names}) select {values} from unnest({arrays}) as t ({names}){upsert}"  # noqa: S608 - our own names


_WAIT = {"waiting_for": "text", "waiting_since": "timestamptz", "next_date": "timestamptz"}
_CASE = (
    {"case_id": "uuid", "fold_version": "int", "folded": "bytea", "events": "int", "needs": "int", "number": "text"}
    | {"principal_id": "uuid", "member_id": "uuid", "provider_ids": "uuid[]", "state": "text"}
    | _WAIT
    | {"opened_at": "timestamptz", "last_event_at": "timestamptz", "crossings": "int", "not_understood": "int", "anomalies": "int"}
)
_NEED = (
    {"need_id": "uuid", "case_id": "uuid", "rank": "int", "service": "text", "insee": "text", "departement": "text", "state": "text"}
    | _WAIT
    | {"provider_id": "uuid", "mission_id": "uuid"}
)
_TOLD = {"case_id": "uuid", "place": "int", "event_id": "uuid", "source": "text", "seq": "bigint", "type": "text", "at": "timestamptz"} | {
    "need_id": "uuid",
    "data": "jsonb",
}


def _saving(schema: Schema, first: int) -> str:
    needs = first + len(_CASE)
    return (
        f"cases as ({_insert(schema, 'case_view', _CASE, first, key='case_id')} returning 1),"
        f" needs as ({_insert(schema, 'need_view', _NEED, needs, key='need_id')} returning 1),"
        f" told as ({_insert(schema, 'timeline', _TOLD, needs + len(_NEED))} returning 1)"
    )


_SAVE_BESIDE = f"with {_saving('view_next', 1)} select"
