"""What the log leads to after an acceptance: the visits that a batch concerns are read once, changed in order, written once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from contracts.case_state import NeedState
from contracts.common import Actor
from contracts.dispatch import MissionAccepted, MissionCancelled, MissionOffered, MissionReconfirmed, MissionUnfilled
from contracts.intake import NeedCancelled
from contracts.reference import MemberLinked
from services.kit import deadlines
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.outbox import Cause
from services.tracking import emits
from services.tracking.domain import visit as domain
from services.tracking.domain.visit import Decision, Visit
from services.tracking.store import visits
from services.tracking.usecases import work
from services.tracking.usecases.fold import Folded

SYSTEM = Actor(kind="system")
LEADS_TO_WORK = MissionAccepted | MissionReconfirmed | MissionCancelled | MissionOffered | MissionUnfilled | NeedCancelled


async def follow(tx: Transaction, folded: Iterable[Folded]) -> None:
    """After the fold of the same batch."""
    folded = list(folded)
    await _visits(tx, folded)
    linked = {one.received.data.case_id: one.received.data.member_id for one in folded if isinstance(one.received.data, MemberLinked)}
    if linked:
        await visits.belong_to(tx.conn, linked)


async def _visits(tx: Transaction, folded: Iterable[Folded]) -> None:
    concerned = [one for one in folded if isinstance(one.received.data, LEADS_TO_WORK) and _matters(one)]
    if not concerned:
        return
    known = await visits.of_needs(tx.conn, {one.received.data.need_id for one in concerned})
    batch = _Batch(tx, {visit.id: visit for visit in known})
    for one in concerned:
        batch.hear(one)
    await batch.save()


def _matters(folded: Folded) -> bool:
    """A new search only where a failed visit left a task: else there is nothing to read."""
    return not isinstance(folded.received.data, MissionOffered | MissionUnfilled) or "visit_failed" in folded.state.tasks.values()


@dataclass(slots=True)
class _Batch:
    tx: Transaction
    stored: dict[str, Visit]
    now: dict[str, Visit] = field(init=False)  # by id, oldest first

    def __post_init__(self) -> None:
        self.now = dict(self.stored)

    def hear(self, folded: Folded) -> None:
        cause = Cause.of(folded.received.envelope)
        match folded.received.data:
            case MissionAccepted() as event:
                self._accepted(event, folded, cause)
            case MissionReconfirmed() as event:
                start, end = event.appointment.start, event.appointment.end
                self._change(self._of_mission(event), lambda visit: domain.reconfirmed(visit, start, end), cause)
            case MissionCancelled() as event:
                reason = event.reason
                self._change(self._of_mission(event), lambda visit: domain.mission_cancelled(visit, reason), cause)
            case NeedCancelled() as event:
                self._change(self._of_need(event.need_id), domain.need_cancelled, cause)
            case (MissionOffered() | MissionUnfilled()) as event:
                outcome = "retried" if isinstance(event, MissionOffered) else "no_longer_needed"
                self._change(self._of_need(event.need_id), lambda visit: domain.search_goes_on(visit, outcome), cause)

    async def save(self) -> None:
        made = [visit for visit in self.now.values() if visit.id not in self.stored]
        changed = [visit for visit in self.now.values() if visit.id in self.stored and visit != self.stored[visit.id]]
        if changed:
            await visits.save(self.tx.conn, changed)
        if made:
            await visits.insert(self.tx.conn, made)
        await self._watch(made, changed)

    def _accepted(self, event: MissionAccepted, folded: Folded, cause: Cause) -> None:
        need = folded.state.needs.get(event.need_id)
        others = self._of_need(event.need_id)
        if need is None or folded.state.member_id is None or any(other.offer_id == event.offer_id for other in others):
            return
        self._change(others, lambda visit: domain.search_goes_on(visit, "provider_found"), cause)
        visit, facts = domain.accepted(_made(event, need, folded.state.member_id), self._of_need(event.need_id), _lost(event, need))
        self.now[visit.id] = visit
        self.tx.emit(*emits.events(visit, facts, SYSTEM), cause=cause)

    def _change(self, concerned: list[Visit], decide: Callable[[Visit], Decision], cause: Cause) -> None:
        for before in concerned:
            after, facts = decide(before)
            if after != before:
                self.now[before.id] = domain.next_version(after)
                self.tx.emit(*emits.events(after, facts, SYSTEM), cause=cause)

    def _of_need(self, need_id: str) -> list[Visit]:
        return [visit for visit in self.now.values() if visit.need_id == need_id]

    def _of_mission(self, event: MissionReconfirmed | MissionCancelled) -> list[Visit]:
        of_need = self._of_need(event.need_id)
        return [visit for visit in of_need if (visit.mission_id, visit.provider_id) == (event.mission_id, event.provider_id)]

    async def _watch(self, made: list[Visit], changed: list[Visit]) -> None:
        due = {visit.id: at for visit in made if (at := work.not_started_by(visit)) is not None}
        if due:
            await deadlines.put_new(self.tx.conn, work.WATCHDOG, due)
        for visit in changed:
            await work.watch(self.tx, self.stored[visit.id], visit)


def _made(event: MissionAccepted, need: NeedState, member_id: str) -> Visit:
    return Visit(
        id=new_id(),
        case_id=event.case_id,
        need_id=event.need_id,
        mission_id=event.mission_id,
        offer_id=event.offer_id,
        provider_id=event.provider_id,
        member_id=member_id,
        service=need.service,
        start=event.appointment.start,
        end=event.appointment.end,
    )


def _lost(event: MissionAccepted, need: NeedState) -> str | None:
    """Why the acceptance counts for nothing, as the log has it."""
    if need.state == "accepted" and need.mission == (event.mission_id, event.provider_id):
        return None
    return "need_cancelled" if need.state == "cancelled" else "another_accepted"
