"""A tiny model of the services: each reads the log at its own pace and acts on what it has read so far.

So every log it writes is one the platform could write, races included. One need; a service's row is its attributes.
"""

from collections.abc import Iterator
from functools import partial
from typing import Literal

from contracts import billing, intake, reference, tracking
from contracts.registry import Event
from tests.contracts.case_events import BREST, NEXT_WEEK, Log
from tests.contracts.case_model_service import Act, Service
from tests.contracts.case_model_work import Dispatch, Tracking

RARE = 150  # of 1,000


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
        self.decision: Literal["none", "asked", "granted", "refused", "released", "lost"] | None = None
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
        if rare and self.decision is not None:
            yield partial(self.say, reference.MemberLinked)  # also of a case that is over
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
                yield partial(self._decide, "refused", reference.CoverageRefused)  # of another member, for another reason
            case "granted" if rare:
                yield self._take_away
            case "lost" if rare:
                yield partial(self._decide, "granted", reference.CoverageGranted)

    def _take_away(self) -> None:
        """A wrong link is undone: it was never this member's to be granted."""
        self.decision = "lost"
        self.say(reference.MemberLinked)
        self.say(reference.CoverageReleased)

    def _decide(self, decision: Literal["none", "asked", "granted", "refused"], kind: type[Event]) -> None:
        self.decision = decision
        self.say(kind)


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
