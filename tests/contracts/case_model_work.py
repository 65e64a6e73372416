"""Dispatch and tracking of the model: from the first offer to the prestation."""

from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Literal

from contracts import dispatch, intake, reference, tracking
from contracts.registry import Event
from tests.contracts.case_events import ANNA, BORIS, NEXT_WEEK, TOMORROW, Log, uid
from tests.contracts.case_model_service import Act, Service

Mission = tuple[str, str]  # mission, provider


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
