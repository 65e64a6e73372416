"""A tiny model of the services: each reads the log at its own pace and acts on what it has read so far.

So every log it writes is one the platform could write, races included. One need; a service's row is its attributes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Literal

from contracts import billing, dispatch, intake, reference, tracking
from contracts.registry import Event
from tests.contracts.case_events import ANNA, BORIS, BREST, NEXT_WEEK, TOMORROW, Log, made, uid

RARE = 150  # of 1,000
Act = Callable[[], None]
Mission = tuple[str, str]  # mission, provider


class Service(ABC):
    def __init__(self, log: Log) -> None:
        self.log = log
        self.position = 0

    def say(self, kind: type[Event], /, **fields: object) -> None:
        self.log.write(made(kind, **fields))

    def read_next(self) -> None:
        event = self.log.records[self.position].data
        self.position += 1
        assert event is not None
        self.reads(event)

    @property
    def behind(self) -> bool:
        return self.position < len(self.log.records)

    @abstractmethod
    def reads(self, event: Event) -> None: ...

    @abstractmethod
    def may(self, rare: bool) -> Iterator[Act]: ...


class Intake(Service):
    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self.word: Literal["open", "cancelled", "refused", "performed"] = "open"
        self.started = self.decided = self.at_risk = self.closed = False
        self.say(intake.CaseOpened)
        self.say(intake.NeedAdded)

    def reads(self, event: Event) -> None:
        match event:
            case tracking.VisitStarted() | tracking.PrestationCompleted():
                if self.word == "cancelled":
                    self._reopen()
                    self.say(intake.NeedReinstated)
                self.started = True
                self.word = "performed" if isinstance(event, tracking.PrestationCompleted) else "open"
            case tracking.VisitFailed():
                self.started = False
            case reference.CoverageGranted():
                self.decided = True
                if self.word == "refused":
                    self._reopen()
                    self.word = "open"
            case reference.CoverageRefused():
                self.decided = True
                if self.word == "open" and not self.at_risk:
                    self.word = "refused"

    def _reopen(self) -> None:
        if self.closed:
            self.say(intake.CaseReopened)
        self.closed = False

    def may(self, rare: bool) -> Iterator[Act]:
        if rare and self.word == "open" and not self.started:
            yield self._cancel
            yield partial(self.say, intake.NeedAmended, wanted=NEXT_WEEK, place=BREST)
            yield partial(self.say, intake.NeedAmended)
            if not (self.decided or self.at_risk):
                yield self._go_on_at_risk
        if self.word != "open" and not self.closed:
            yield self._close

    def _cancel(self) -> None:
        self.word = "cancelled"
        self.say(intake.NeedCancelled)

    def _go_on_at_risk(self) -> None:
        self.at_risk = True
        self.say(intake.NeedAtRisk)

    def _close(self) -> None:
        self.closed = True
        self.say(intake.CaseClosed)


class Reference(Service):
    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self.decision: Literal["none", "asked", "granted", "refused", "released"] | None = None
        self.cancelled = self.started = False

    def reads(self, event: Event) -> None:
        match event:
            case intake.NeedAdded():
                self.decision = "none"
            case intake.NeedCancelled() if not self.started:
                self.cancelled = True
                if self.decision == "granted":
                    self.decision = "released"
                    self.say(reference.CoverageReleased)
            case tracking.VisitStarted():
                self.started, self.cancelled = True, False
            case tracking.VisitFailed():
                self.started = False
            case tracking.PrestationCompleted():
                self.started, self.cancelled = True, False
                if self.decision in ("granted", "released"):
                    self.say(reference.CoverageConsumed)
            case intake.NeedReinstated():
                self.cancelled = False

    def may(self, rare: bool) -> Iterator[Act]:
        if self.cancelled or self.decision is None:
            return
        match self.decision:
            case "none":
                yield partial(self._decide, "granted", reference.CoverageGranted)
                if rare:
                    yield partial(self._decide, "refused", reference.CoverageRefused)
                    yield partial(self._decide, "asked", reference.ApprovalRequested)
            case "asked":
                yield partial(self._decide, "none", reference.ApprovalGranted)
                yield partial(self._decide, "none", reference.ApprovalRefused)
            case "refused" if rare:
                yield partial(self._decide, "granted", reference.CoverageGranted)

    def _decide(self, decision: Literal["none", "asked", "granted", "refused"], kind: type[Event]) -> None:
        self.decision = decision
        self.say(kind)


class Dispatch(Service):
    """A new mission id after each mission taken back; never an offer before the last acceptance is taken back."""

    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self.wanted = self.cancelled = self.started = self.amended = self.failed = False
        self.offers: dict[str, tuple[str, Mission]] = {}  # offer -> status, mission
        self.accepted: Mission | None = None
        self.missions = count(100)
        self.mission_id = uid(next(self.missions))

    def reads(self, event: Event) -> None:
        match event:
            case reference.CoverageGranted() | intake.NeedAtRisk():
                self.wanted = True
            case intake.NeedAmended() if self.accepted and not (self.started or self.cancelled):
                self._about(dispatch.MissionAmended, self.accepted, wanted=event.wanted)
                self.amended = True
            case intake.NeedCancelled() if not self.started:
                self.cancelled = True
                self._withdraw_all()
                if self.accepted:
                    self._take_back(again=False)
            case tracking.VisitStarted() | tracking.PrestationCompleted():
                self.started, self.cancelled, self.failed = True, False, False
                self._withdraw_all()
                mission = (event.mission_id, event.provider_id)
                if self.accepted and self.accepted != mission:
                    self._take_back(again=False)
                self.accepted = mission
            case tracking.VisitFailed() if self.accepted == (event.mission_id, event.provider_id):
                self.started, self.failed = False, True
            case intake.NeedReinstated():
                self.cancelled = False

    def _about(self, kind: type[Event], mission: Mission, **fields: object) -> None:
        self.say(kind, mission_id=mission[0], provider_id=mission[1], **fields)

    def _answer(self, kind: type[Event], offer_id: str, status: str, **fields: object) -> None:
        mission = self.offers[offer_id][1]
        self.offers[offer_id] = (status, mission)
        self._about(kind, mission, offer_id=offer_id, **fields)

    def _of(self, status: str) -> list[str]:
        return [offer_id for offer_id, (known, _) in self.offers.items() if known == status]

    def _withdraw_all(self) -> None:
        for offer_id in self._of("live"):
            self._answer(dispatch.OfferWithdrawn, offer_id, "withdrawn")

    def _take_back(self, again: bool) -> None:
        assert self.accepted
        self._about(dispatch.MissionCancelled, self.accepted, again=again)
        self.accepted = None
        self.amended = self.failed = False
        self.mission_id = uid(next(self.missions))
        self.offers = {offer_id: ("over", mission) for offer_id, (_, mission) in self.offers.items()}

    def may(self, rare: bool) -> Iterator[Act]:
        if self.cancelled or self.started or not self.wanted:
            return
        if self.accepted:
            if rare or self.failed:
                yield partial(self._take_back, again=True)
                yield partial(self._take_back, again=False)
            if self.amended:
                yield self._reconfirm
            for offer_id in self._of("accepted") if rare else []:
                yield partial(self._about, dispatch.OfferExpired, self.accepted, offer_id=offer_id)
            return
        if len(self.offers) < 6:
            yield self._offer
        for offer_id in self._of("live"):
            yield partial(self._accept, offer_id)
            if rare:
                yield partial(self._answer, dispatch.MissionDeclined, offer_id, "declined")
                yield partial(self._answer, dispatch.OfferExpired, offer_id, "expired")
        for offer_id in self._of("expired") if rare else []:
            yield partial(self._accept, offer_id)
        if rare and not self._of("live"):
            yield partial(self.say, dispatch.MissionUnfilled, mission_id=self.mission_id)

    def _offer(self) -> None:
        offer_id = uid(200 + len(self.offers))
        self.offers[offer_id] = ("live", (self.mission_id, (ANNA, BORIS)[len(self.offers) % 2]))
        self._answer(dispatch.MissionOffered, offer_id, "live", attempt=len(self.offers))

    def _accept(self, offer_id: str) -> None:
        self.accepted = self.offers[offer_id][1]
        self._answer(dispatch.MissionAccepted, offer_id, "accepted")
        self._withdraw_all()

    def _reconfirm(self) -> None:
        assert self.accepted
        self.amended = False
        self._about(dispatch.MissionReconfirmed, self.accepted, appointment=NEXT_WEEK)


class Tracking(Service):
    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self.mission: Mission | None = None
        self.visit: Literal["none", "scheduled", "started", "completed", "failed", "done"] = "none"
        self.cancelled = False
        self.visits = count(300)
        self.visit_id = ""

    @property
    def started(self) -> bool:
        return self.visit in ("started", "completed", "done")

    def reads(self, event: Event) -> None:
        match event:
            case dispatch.MissionAccepted() if not (self.cancelled or self.started):
                self.mission, self.visit = (event.mission_id, event.provider_id), "none"
            case intake.NeedCancelled() if not self.started:
                self.cancelled = True
                self._call_off()
            case dispatch.MissionCancelled() if self.mission == (event.mission_id, event.provider_id) and not self.started:
                self._call_off()
            case dispatch.MissionReconfirmed() if self.visit == "scheduled":
                self._schedule()
            case intake.NeedReinstated():
                self.cancelled = False

    def _call_off(self) -> None:
        if self.visit == "scheduled":
            self._about(tracking.VisitFailed, "failed")
        self.mission, self.visit = None, "none"

    def _about(self, kind: type[Event], visit: Literal["scheduled", "started", "completed", "failed", "done"]) -> None:
        assert self.mission
        self.visit = visit
        self.say(kind, mission_id=self.mission[0], provider_id=self.mission[1], visit_id=self.visit_id)

    def _schedule(self) -> None:
        self.visit_id = uid(next(self.visits))
        self._about(tracking.VisitScheduled, "scheduled")

    def may(self, rare: bool) -> Iterator[Act]:
        if self.mission is None:
            return
        match self.visit:
            case "none" | "failed":
                yield self._schedule
            case "scheduled":
                yield partial(self._about, tracking.VisitStarted, "started")
                if rare:
                    yield partial(self._about, tracking.VisitFailed, "failed")
                    yield partial(self._about, tracking.PrestationCompleted, "done")
                yield partial(self.say, tracking.EtaChanged, visit_id=self.visit_id, eta=TOMORROW.start)
            case "started":
                yield partial(self._about, tracking.VisitCompleted, "completed")
                if rare:
                    yield partial(self._about, tracking.VisitFailed, "failed")
            case "completed":
                yield partial(self._about, tracking.PrestationCompleted, "done")
            case "done":
                yield partial(self.say, tracking.PrestationCorrected)
                yield partial(self.say, tracking.SatisfactionGiven)


class Billing(Service):
    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self.to_settle: list[type[Event]] = []

    def reads(self, event: Event) -> None:
        if isinstance(event, tracking.PrestationCompleted):
            self.say(billing.BillPrepared)
            self.say(billing.ChargeRecorded)
            self.to_settle = [billing.CasePaid, billing.CaseInvoiced, billing.BillApproved]

    def may(self, rare: bool) -> Iterator[Act]:
        if self.to_settle:
            yield self._settle

    def _settle(self) -> None:
        self.say(self.to_settle.pop())


class Company:
    def __init__(self) -> None:
        self.log = Log()
        self.intake = Intake(self.log)
        self.services: list[Service] = [
            self.intake, Reference(self.log), Dispatch(self.log), Tracking(self.log), Billing(self.log)
        ]  # fmt: skip

    def live(self, choices: list[int]) -> None:
        """Each number chooses one of the things that may happen next, low numbers the rarer ones; then all read to the end."""
        for choice in choices:
            acts = [act for service in self.services for act in self._of(service, rare=choice < RARE)]
            if acts:
                acts[choice % len(acts)]()
        while late := [service for service in self.services if service.behind]:
            late[0].read_next()

    def _of(self, service: Service, rare: bool) -> Iterator[Act]:
        if service.behind:
            yield service.read_next
        yield from service.may(rare)
