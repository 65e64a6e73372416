"""What tracking hears. Everything on `cases` goes through the fold first; then, in order, what its own work needs of it."""

from collections.abc import Sequence
from typing import Any

from contracts.billing import TariffChanged
from contracts.cards import Card, CaseCard, NoteCard, WorkerCard
from contracts.common import TaskClosed, TaskOpened
from contracts.dispatch import ProviderChanged
from contracts.reference import PersonErased, PrincipalChanged
from services.kit.db import Transaction
from services.kit.subscriptions import Received, card, each, every
from services.tracking.store import cards, changes, tasks, views
from services.tracking.stream import told
from services.tracking.usecases import persons
from services.tracking.usecases.fold import fold
from services.tracking.usecases.follow import follow
from services.tracking.usecases.search import search_terms


async def on_cases(tx: Transaction, received: Sequence[Received]) -> None:
    folded, change = await fold(tx.conn, "view", received)
    if change is None:
        return
    topics: dict[str, str | None] = {f"case:{one.state.case_id}": one.state.case_id for one in folded}
    if await _list_tasks(tx, [one.received for one in folded]):
        topics[changes.TASKS] = None
    await follow(tx, folded)
    tx.ride(views.saving, views.arguments(change, topics))
    told()


async def on_tasks(tx: Transaction, received: Sequence[Received]) -> None:
    if await _list_tasks(tx, received):
        await changes.note(tx.conn, {changes.TASKS: None})
        told()


async def on_person_erased(tx: Transaction, event: PersonErased) -> None:
    await persons.erase(tx, event.member_id, event.requested_at)


async def on_case_card(tx: Transaction, card_id: str, version: int, person: CaseCard | None) -> None:
    if person is None:
        await persons.forgotten(tx, card_id, (await cards.get(tx.conn, "case", [card_id])).get(card_id))
    await cards.keep(tx.conn, "case", card_id, version, _content(person), search_terms(person))
    await changes.note(tx.conn, {f"case:{card_id}": card_id})
    told()


async def on_note_card(tx: Transaction, card_id: str, version: int, note: NoteCard | None) -> None:
    await cards.keep(tx.conn, "note", card_id, version, _content(note), [])


async def on_worker_card(tx: Transaction, card_id: str, version: int, worker: WorkerCard | None) -> None:
    await cards.keep(tx.conn, "worker", card_id, version, _content(worker), [])


async def on_provider_changed(tx: Transaction, event: ProviderChanged) -> None:
    await cards.name_organisation(tx.conn, event.provider_id, event.label)


async def on_principal_changed(tx: Transaction, event: PrincipalChanged) -> None:
    await cards.name_organisation(tx.conn, event.principal_id, event.label)


async def on_tariff_changed(tx: Transaction, event: TariffChanged) -> None:
    await cards.add_articles(tx.conn, event.service, [(line.article, line.unit) for line in event.lines])


def _content(card: Card | None) -> dict[str, Any] | None:
    return card.model_dump(mode="json") if card else None


async def _list_tasks(tx: Transaction, received: Sequence[Received]) -> bool:
    opened = [(one.data, one.envelope.source, one.envelope.time) for one in received if isinstance(one.data, TaskOpened)]
    closed = [(one.data, one.envelope.time) for one in received if isinstance(one.data, TaskClosed)]
    if opened:
        await tasks.opened(tx.conn, opened)
    if closed:
        await tasks.closed(tx.conn, closed)
    return bool(opened or closed)


SUBSCRIPTIONS = [
    every("cases", on_cases),
    every("tasks", on_tasks),
    each(ProviderChanged, on_provider_changed),
    each(PrincipalChanged, on_principal_changed),
    each(TariffChanged, on_tariff_changed),
    each(PersonErased, on_person_erased, patient=True),
    card(CaseCard, on_case_card),
    card(NoteCard, on_note_card),
    card(WorkerCard, on_worker_card),
]
