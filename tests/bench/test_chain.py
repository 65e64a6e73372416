import json
from datetime import date
from uuid import uuid4

from deploy.demo import data
from services.intake.api import OpenCase
from tests.bench import world
from tests.bench.chain import Passage, explained

USUAL = Passage((5, 5, 5, 5, 5))


def test_the_explanation_names_the_hop_in_which_the_slowest_cases_lost_their_time() -> None:
    slow = [Passage((5, 5, 95, 5, 5)), Passage((5, 5, 80, 5, 5)), Passage((30, 30, 40, 30, 30))]
    said = explained([*[USUAL] * 97, *slow])
    assert "p50 of 25 ms" in said
    assert "of the 3 slowest of 100 cases, 2 lost nearly all" in said
    assert said.endswith("most of it in dispatch → tracking (3).")


def test_every_call_is_one_that_intake_accepts_from_another_member_than_the_one_before() -> None:
    made = data.make(world.SEED, date.today(), 200)
    ids = {member.number: (str(uuid4()), str(uuid4())) for member in made.members}
    calls = [OpenCase.model_validate(json.loads(body)) for body in world.calls(made, ids)]
    assert len(calls) > 2 / 3 * len(made.members)
    assert len({call.member_id for call in calls}) == len(calls)
