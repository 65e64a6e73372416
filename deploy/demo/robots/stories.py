"""What becomes of a need, decided when it is opened: how the providers it is offered to answer, how the visit goes, who calls it off when."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

Reply = Literal[
    "accept",
    "accept_twice",
    "decline",
    "decline_then_accept",
    "ignore",  # the offer expires
    "too_late",  # answers after it has expired
    "called_off",  # cancelled before the answer, which is never given
    "cancel_x_accept",  # both at the same moment
    "cancel_x_decline",
    "amended",  # the wish is changed before the answer; everybody is asked anew
]
Visit = Literal[
    "done",
    "silent",  # accepted, and never heard of again
    "fails",
    "given_up",
    "called_off",
    "cancel_x_start",
    "amended",  # after the acceptance: the provider agrees again
    "amend_x_start",
]


@dataclass(frozen=True, slots=True)
class Story:
    """`replies`: to the first offers; whoever is asked after that accepts. The first visit goes as told, any after it is done."""

    name: str
    weight: int
    replies: tuple[Reply, ...] = ()
    visit: Visit = "done"
    covered: bool = True
    called_off_at_once: bool = False  # while coverage is being decided

    def reply(self, earlier: int) -> Reply:
        return self.replies[earlier] if earlier < len(self.replies) else "accept"


STORIES = (
    Story("as it should be", 34),
    Story("declined once", 8, ("decline",)),
    Story("declined twice", 3, ("decline", "decline")),
    Story("not answered", 4, ("ignore",)),
    Story("answered too late", 3, ("too_late",)),
    Story("answered twice", 4, ("accept_twice",)),
    Story("two minds", 2, ("decline_then_accept",)),
    Story("nobody wants it", 4, ("decline",) * 8),
    Story("silent after accepting", 4, visit="silent"),
    Story("visit fails", 4, visit="fails"),
    Story("given up", 3, visit="given_up"),
    Story("not covered", 5, covered=False),
    Story("called off at once", 2, called_off_at_once=True),
    Story("called off before an answer", 3, ("called_off",)),
    Story("called off after the acceptance", 3, visit="called_off"),
    Story("cancelled while accepting", 4, ("cancel_x_accept",)),
    Story("cancelled while declining", 1, ("cancel_x_decline",)),
    Story("cancelled while starting", 4, visit="cancel_x_start"),
    Story("changed before an answer", 2, ("amended",)),
    Story("changed after the acceptance", 2, visit="amended"),
    Story("changed while starting", 1, visit="amend_x_start"),
)


def tell(seed: int) -> Iterator[Story]:
    """Without end; each hundred in a row holds every story in its weight, so that a short demo has some of each."""
    random = Random(f"stories {seed}")
    deck = [story for story in STORIES for _ in range(story.weight)]
    while True:
        yield from random.sample(deck, len(deck))
