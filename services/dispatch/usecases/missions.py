"""Load, decide, save, tell: the one way in which missions change, whoever asks for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from contracts.common import Actor
from services.dispatch.domain import ranking, search
from services.dispatch.domain.mission import AmendmentAsked, Decision, Fact, Mission, Offered, Rules, Urgency
from services.dispatch.emits import documents, events
from services.dispatch.store import feed, missions, providers
from services.kit import deadlines
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.errors import NotFound
from services.kit.outbox import Cause

SYSTEM = Actor(kind="system")
TTL: dict[Urgency, timedelta] = {"planned": timedelta(hours=1), "today": timedelta(minutes=15), "immediate": timedelta(minutes=5)}
rules = Rules(TTL)  # set once by the worker and the web process from their settings

Decide = Callable[[Mission, datetime], Decision]


@dataclass(slots=True)
class Change:
    """One mission in one transaction: as it was, as it is by now, what happened, and why."""

    before: Mission
    cause: Cause
    by: Actor = SYSTEM
    after: Mission = field(init=False)
    facts: list[Fact] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.after = self.before

    def take(self, decision: Decision) -> None:
        self.after = decision[0]
        self.facts += decision[1]


async def change(tx: Transaction, mission: Mission | None, decide: Decide, by: Actor = SYSTEM) -> Mission:
    """A mission loaded under lock. Raises `NotFound`, and what the decision raises."""
    if mission is None:
        raise NotFound("no such mission")
    made = Change(mission, tx.cause, by)
    made.take(decide(mission, tx.now))
    await settle(tx, [made])
    return made.after


async def change_by_needs(tx: Transaction, heard: Sequence[tuple[str, Decide, Cause]]) -> None:
    """What the log says of needs, a batch at once."""
    known = await missions.lock_by_needs(tx.conn, [need_id for need_id, *_ in heard])
    changes = {need_id: Change(mission, tx.cause) for need_id, mission in known.items()}
    for need_id, decide, cause in heard:
        made = changes[need_id]
        made.cause = cause
        made.take(decide(made.after, tx.now))
    await settle(tx, list(changes.values()))


async def settle(tx: Transaction, changes: Sequence[Change]) -> None:
    """Searches on where nobody has it, saves, emits, tells the providers. What did not change is not written."""
    await _search(tx, [made for made in changes if made.after.status == "searching"])
    changed = [made for made in changes if made.after != made.before]
    if not changed:
        return
    await save(tx, changed)
    due = {fact.offer.id: fact.offer.expires_at for made in changed for fact in made.facts if isinstance(fact, Offered)}
    if due:
        await deadlines.put_new(tx.conn, "offer_expires", due)
    asked = {f"{made.after.id}:{made.after.version}": fact.answer_by for made in changed for fact in made.facts if isinstance(fact, AmendmentAsked)}
    if asked:
        await deadlines.put_new(tx.conn, "amendment_unanswered", asked)


async def save(tx: Transaction, changed: Sequence[Change]) -> None:
    for made in changed:
        made.after = replace(made.after, version=made.before.version + 1)
    await missions.save(tx.conn, [(made.before, made.after) for made in changed], tx.now)
    for made in changed:
        tx.emit(*events.events(made.after, made.facts, made.by), cause=made.cause)
    await _tell(tx, changed)


async def _tell(tx: Transaction, changed: Sequence[Change]) -> None:
    told = [(made, *found) for made in changed for fact in made.facts if (found := documents.of_fact(made.after, fact))]
    cases = [made.after.case_id for made, _, document in told if document["kind"] in documents.WITH_CONTACT]
    cards = await feed.cards(tx.conn, cases) if cases else {}
    for made, provider_id, document in told:
        card = cards.get(made.after.case_id)
        if card and document["kind"] in documents.WITH_CONTACT:
            document["contact"] = documents.contact(card, made.after.need_id)
        tx.at_end(feed.append, feed.Item(provider_id, document, made.cause))


async def _search(tx: Transaction, changes: Sequence[Change]) -> None:
    """The best of those not asked yet, for each; what one is given counts for the next."""
    if not changes:
        return
    everybody = await providers.everybody(tx.conn)
    loads = await missions.loads(tx.conn, list({made.after.wish.day for made in changes}))
    declines = await missions.declines(tx.conn, tx.now)
    for made in changes:
        mission, load = made.after, loads[made.after.wish.day]
        found = ranking.rank(everybody.values(), mission.service, mission.wish, mission.asked, load, declines)
        if not found.ranked or search.exhausted(mission, rules):
            made.take(search.nobody(mission, new_id(), rules, tx.now))
            continue
        best = found.ranked[0]
        load[best.provider.id] = best.load + 1
        made.take(search.offer(mission, search.Chosen(new_id(), best.provider.id, best.why), rules, tx.now))
