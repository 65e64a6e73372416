"""The checker's own fold: what is true of each need is derived from a few facts, whatever order the log brought them in.

A started visit wins over every cancellation; before a start, a cancellation wins over everything; an acceptance wins over the
expiry or withdrawal of its offer.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.checker.inputs import CASES, Record, Row

FINAL = frozenset({"performed", "refused", "cancelled"})
FURTHEST_FIRST = ("open", "covered", "offered", "unfilled", "accepted", "scheduled", "in_progress", "failed", "refused", "performed", "cancelled")
OUTCOMES = {"performed": "completed", "refused": "refused", "cancelled": "cancelled"}
Mission = tuple[str, str]  # mission, provider


@dataclass(slots=True)
class Offer:
    id: str
    mission: Mission
    status: str = "live"


@dataclass(slots=True)
class Need:
    id: str
    case: str
    rank: int
    added: Row
    decision: str = ""  # granted, at_risk, refused
    offers: dict[str, Offer] = field(default_factory=dict)
    holder: Mission | None = None
    scheduled: bool = False
    started: bool = False
    failed: bool = False
    done: bool = False
    cancelled: bool = False
    unfilled: bool = False
    ever_started: bool = False
    ever_unfilled: bool = False
    declined: bool = False
    accepted_after_decline: bool = False
    clashes: list[str] = field(default_factory=list)  # ids of acceptances that came while somebody held the mission

    @property
    def state(self) -> str:
        if self.done or self.cancelled or self.started:
            return "performed" if self.done else "cancelled" if self.cancelled else "in_progress"
        if self.holder:
            return "failed" if self.failed else "scheduled" if self.scheduled else "accepted"
        if any(offer.status == "live" for offer in self.offers.values()):
            return "offered"
        if self.unfilled:
            return "unfilled"
        return "refused" if self.decision == "refused" else "covered" if self.decision else "open"

    @property
    def outcome(self) -> str:
        state = self.state
        return "unfilled_settled_by_hand" if state in FINAL and self.ever_unfilled else OUTCOMES.get(state, state)

    @property
    def held_offer(self) -> Offer | None:
        """The last offer that its holder accepted."""
        held = [offer for offer in self.offers.values() if offer.mission == self.holder and offer.status in ("accepted", "taken_back")]
        return held[-1] if held else None

    def has(self, status: str, mission: Mission | None) -> bool:
        return any(offer.status == status and offer.mission == mission for offer in self.offers.values())

    def free(self) -> None:
        for offer in self.offers.values():
            if offer.status == "accepted" and offer.mission == self.holder:
                offer.status = "taken_back"
        self.holder, self.scheduled, self.failed = None, False, False

    def take(self, mission: Mission) -> None:
        if mission != self.holder:
            self.scheduled = False
        self.holder, self.failed, self.unfilled = mission, False, False


@dataclass(slots=True)
class Case:
    id: str
    principal: str = ""
    member: str = ""
    closed: bool = False
    events: int = 0
    needs: dict[str, Need] = field(default_factory=dict)

    @property
    def word(self) -> str:
        states = [need.state for need in self.needs.values()]
        if self.closed and all(state in FINAL for state in states):
            return "closed"
        return min(states, key=FURTHEST_FIRST.index, default="open")


def fold(records: Iterable[Record]) -> dict[str, Case]:
    """Of records without repetitions, in the order of each partition."""
    cases: dict[str, Case] = {}
    for record in records:
        if record.topic == CASES:
            case = cases.setdefault(record.key, Case(record.key))
            case.events += 1
            _apply(case, record)
    return cases


def _apply(case: Case, record: Record) -> None:
    body, kind = record.body, record.kind.partition(".")[2]
    match kind:
        case "case_opened":
            case.principal, case.member = body["principal_id"], body["member_id"]
        case "member_linked":
            case.member = body["member_id"]
        case "case_closed" | "case_reopened":
            case.closed = kind == "case_closed"
        case "need_added":
            case.needs[body["need_id"]] = Need(body["need_id"], case.id, body["rank"], body)
        case _ if (need := case.needs.get(body.get("need_id") or "")) is not None:
            _change(need, kind, body, record.id)


def _change(need: Need, kind: str, body: Row, event_id: str) -> None:
    mission = (body.get("mission_id", ""), body.get("provider_id", ""))
    match kind:
        case "coverage_granted":
            need.decision = "granted"
        case "coverage_refused" | "need_at_risk":
            if need.decision in ("", "refused"):
                need.decision = "refused" if kind == "coverage_refused" else "at_risk"
        case "need_cancelled":
            need.cancelled = not (need.started or need.done)
        case "need_reinstated" if need.cancelled and need.ever_started:
            need.cancelled = False
            need.unfilled = need.holder is None
            need.ever_unfilled |= need.unfilled
            need.failed = need.holder is not None and not need.scheduled
        case "mission_offered":
            if need.state == "failed":
                need.free()
            need.offers[body["offer_id"]] = Offer(body["offer_id"], mission)
            need.unfilled = False
        case "mission_accepted":
            _accepted(need, body["offer_id"], mission, event_id)
        case "mission_declined" | "offer_expired" | "offer_withdrawn":
            _ended(need, body["offer_id"], kind.rpartition("_")[2])
        case "mission_unfilled":
            if need.state == "failed" and need.has("taken_back", need.holder):
                need.free()
            if need.state in ("covered", "unfilled"):
                need.unfilled = need.ever_unfilled = True
        case "mission_cancelled":
            _taken_back(need, mission, body["again"])
        case _:
            _visited(need, kind, mission)


def _accepted(need: Need, offer_id: str, mission: Mission, event_id: str) -> None:
    offer = need.offers.get(offer_id)
    if offer is None or offer.status in ("declined", "taken_back") or (need.has("accepted", need.holder) and not need.cancelled):
        need.clashes.append(event_id)
        return
    offer.status = "accepted"
    need.accepted_after_decline |= need.declined
    if need.holder is None or (need.failed and not need.cancelled):
        need.take(mission)


def _ended(need: Need, offer_id: str, status: str) -> None:
    need.declined |= status in ("declined", "expired")
    offer = need.offers.get(offer_id)
    if offer is not None and offer.status == "live":
        offer.status = status


def _taken_back(need: Need, mission: Mission, again: bool) -> None:
    for offer in need.offers.values():
        if offer.status == "accepted" and offer.mission == mission:
            offer.status = "taken_back"
    if mission == need.holder and not (need.started or need.done):
        need.free()
        need.unfilled = not (again or need.cancelled)
        need.ever_unfilled |= need.unfilled


def _visited(need: Need, kind: str, mission: Mission) -> None:
    ours = mission == need.holder
    match kind:
        case "visit_scheduled" if not (need.started or need.done) and (ours or need.has("accepted", mission)):
            need.take(mission)
            need.scheduled = True
        case "visit_started" | "prestation_completed" if not need.done and (ours or need.cancelled or need.has("taken_back", mission)):
            need.take(mission)
            need.cancelled, need.started, need.ever_started = False, True, True
            need.done = kind == "prestation_completed"
        case "visit_failed" if ours and not need.done:
            need.failed, need.started, need.scheduled = True, False, False
