"""The real domain of dispatch in the model of the platform: no database, one need, every order of reading and acting."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from itertools import count

from contracts import intake, reference, tracking
from contracts.common import Actor
from contracts.registry import Event
from services.dispatch import listens
from services.dispatch.domain import answers, following, search
from services.dispatch.domain.mission import Decision, Mission, Offer, Rules, Slot
from services.dispatch.domain.search import Chosen
from services.dispatch.emits import documents
from services.dispatch.emits.events import events
from services.kit.errors import Conflict
from tests.contracts.case_events import ANNA, BORIS, CASE, NOW, TOMORROW, Log, uid
from tests.contracts.case_model import Company
from tests.contracts.case_model_service import Act, Service

RULES = Rules({"planned": timedelta(hours=1), "today": timedelta(minutes=15), "immediate": timedelta(minutes=5)}, max_attempts=4)
SLOT = Slot(TOMORROW.start, TOMORROW.end)
LATER = NOW + timedelta(days=2)


class Dispatch(Service):
    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self.mission: Mission | None = None
        self.told: dict[str, str] = {}  # offer -> what its provider was told last
        self.ids = count(1000)

    def reads(self, event: Event) -> None:
        if isinstance(event, intake.NeedAdded):
            self.mission = Mission(uid(30), CASE, event.need_id, "123456789-1", event.service, listens.wish(event))
        if self.mission is None:
            return
        match event:
            case reference.CoverageGranted() | intake.NeedAtRisk():
                self._take(search.covered(self.mission))
            case intake.NeedAmended():
                self._take(following.amend(self.mission, listens.wish(event), RULES, NOW))
            case intake.NeedCancelled():
                self._take(following.cancel(self.mission))
            case intake.NeedReinstated():
                self._take(following.reinstated(self.mission, uid(next(self.ids)), RULES, NOW))
            case tracking.VisitStarted():
                self._take(following.visit_started(self.mission, event.provider_id))
            case tracking.VisitFailed():
                self._take(following.visit_failed(self.mission, event.provider_id, uid(next(self.ids)), RULES, NOW))
            case tracking.PrestationCompleted():
                self._take(following.performed(self.mission, event.provider_id))

    def may(self, rare: bool) -> Iterator[Act]:
        mission = self.mission
        if mission is None or mission.status in ("waiting", "cancelled", "done"):
            return
        for offer in mission.offers:
            if offer.status == "live":
                yield partial(self._accepts, offer)
                if rare:
                    yield partial(self._declines, offer)
                    yield partial(self._try, search.expire, offer.id, LATER)
        if mission.pending:
            yield partial(self._try, answers.reconfirm, SLOT, NOW)
            yield partial(self._try, search.unanswered, uid(next(self.ids)), RULES, LATER)
        if rare and mission.provider_id:
            yield partial(self._try, answers.give_up, mission.provider_id, "worker_ill")
            yield partial(self._try, search.reassign, "reassigned")
        if rare:
            for provider_id in (ANNA, BORIS):
                yield partial(self._try, search.propose, [self._chosen(provider_id)], RULES, NOW)
                yield partial(self._try, search.assign, self._chosen(provider_id), SLOT, "urgent", RULES, NOW)

    def _accepts(self, offer: Offer) -> None:
        self._try(answers.accept, offer, SLOT, NOW)

    def _declines(self, offer: Offer) -> None:
        self._try(answers.decline, offer, "no_capacity")

    def _chosen(self, provider_id: str) -> Chosen:
        return Chosen(uid(next(self.ids)), provider_id, ("chosen_by_hand",))

    def _try(self, decide: object, *args: object) -> None:
        with contextlib.suppress(Conflict):  # a refusal changes nothing
            self._take(decide(self.mission, *args))  # type: ignore[operator]

    def _take(self, decision: Decision) -> None:
        mission, facts = decision
        if mission.status == "searching":
            asked = mission.asked
            free = next((provider for provider in (ANNA, BORIS) if provider not in asked), None)
            if free is None or search.exhausted(mission, RULES):
                mission, more = search.nobody(mission, uid(next(self.ids)), RULES, NOW)
            else:
                mission, more = search.offer(mission, self._chosen(free), RULES, NOW)
            facts = [*facts, *more]
        self.mission = mission
        for fact in facts:
            if document := documents.of_fact(mission, fact):
                self.told[document[1]["offer_id"]] = document[1]["kind"]
        for event in events(mission, facts, Actor(kind="system")):
            self.log.write(event)


class RealCompany(Company):
    def __init__(self) -> None:
        super().__init__()
        self.dispatch = Dispatch(self.log)
        self.services[2] = self.dispatch
