"""Why an answer or an order is refused.

AlreadyTaken     409  another provider has the mission
OfferExpired     409  the answer came too late
OfferWithdrawn   409  the offer was taken back
AlreadyAnswered  409  this provider answered otherwise before
MissionOver      409  the mission is cancelled or done
VisitStarted     409  somebody is at work
NotCovered       409  coverage is not decided
"""

from services.kit.errors import Conflict


class AlreadyTaken(Conflict):
    code, title = "already_taken", "Another provider has taken it"


class OfferExpired(Conflict):
    code, title = "offer_expired", "The time to answer is over"


class OfferWithdrawn(Conflict):
    code, title = "offer_withdrawn", "The offer was taken back"


class AlreadyAnswered(Conflict):
    code, title = "already_answered", "You have answered otherwise before"


class MissionOver(Conflict):
    code, title = "mission_over", "The mission is cancelled or done"


class VisitStarted(Conflict):
    code, title = "visit_started", "Somebody is at work: it can no longer be changed"


class NotCovered(Conflict):
    code, title = "not_covered", "Coverage is not decided: nobody is asked before"
