"""One story in which every event and every card occurs: a car breaks down near Grenoble; a tow, a taxi and a hire car are wanted.

The tow is offered four times, amended, cancelled too late and done; the taxi does not come and nobody else will; the hire car is
refused. The same ids run through all of it, so samples and examples fit together. Everybody in it is made up.
"""

from contracts.story.cast import Told
from contracts.story.money import erased, settled
from contracts.story.opening import covered, known_before, opened
from contracts.story.work import dispatched, done


def told() -> Told:
    return [*known_before(), *opened(), *covered(), *dispatched(), *done(), *settled(), *erased()]
