"""The demo's world: invented people in real places, in the form that the services' own loaders take."""

import csv
import re
from datetime import date
from pathlib import Path

import pytest
from stdnum.fr import siren, siret

from deploy.demo import catalogue, data, files, geography, seed, words
from deploy.demo.data import World
from deploy.demo.robots import stories
from services.dispatch.usecases import providers as dispatch
from services.kit.places import communes
from services.reference.usecases import rows

TODAY = date(2026, 11, 23)
FICTION = re.compile(r"063998\d{4}|(019900|026191|035301|046571|053649)\d{4}")
MODELS = {
    "principals": rows.PrincipalRow,
    "products": rows.ProductRow,
    "guarantees": rows.GuaranteeRow,
    "members": rows.MemberRow,
    "contracts": rows.ContractRow,
    "statements": rows.StatementRow,
}


@pytest.fixture(scope="module")
def world() -> World:
    return data.make(1, TODAY, members=1_000)


@pytest.fixture(scope="module")
def folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("demo")
    files.write(world, made)
    return made


def test_the_same_seed_makes_the_same_world(world: World) -> None:
    assert data.make(1, TODAY, members=1_000) == world
    assert data.make(2, TODAY, members=1_000).members != world.members


def test_no_telephone_number_can_be_a_real_persons(world: World) -> None:
    assert all(FICTION.fullmatch(phone) for member in world.members for phone in member.phones)


def test_everybody_lives_in_a_real_commune_and_bigger_ones_have_more_members(world: World) -> None:
    assert all(member.town.insee in communes() and member.postcode in communes()[member.town.insee]["postcodes"] for member in world.members)
    in_big_towns = sum(member.town.population > 20_000 for member in world.members)
    assert 0.25 < in_big_towns / len(world.members) < 0.6


def test_member_and_contract_numbers_are_given_once(world: World) -> None:
    assert len({member.number for member in world.members}) == len(world.members)
    numbers = [contract.number for member in world.members for contract in member.contracts]
    assert len(set(numbers)) == len(numbers)


def test_there_are_forty_providers_behind_three_doors(world: World) -> None:
    doors = [provider.door for provider in world.providers]
    assert (len(doors), doors.count("kafka"), doors.count("polling"), doors.count("extranet")) == (40, 10, 10, 20)
    assert len({provider.id for provider in world.providers}) == 40


def test_most_needs_have_a_choice_of_providers(world: World) -> None:
    def candidates(member: data.Member, service: str) -> int:
        near = (one for one in world.providers if geography.distance_km(one.town, member.town) <= data.RADIUS_KM)
        return sum(service in one.services for one in near)

    found = [candidates(member, service) for member in world.members for service in catalogue.SERVICES]
    assert sum(count >= 2 for count in found) / len(found) > 0.75


def test_nearly_everybody_is_covered_for_something(world: World) -> None:
    assert 0.85 < sum(bool(member.covered(TODAY)) for member in world.members) / len(world.members) < 1


@pytest.mark.parametrize("feed", files.FEEDS)
def test_the_loader_of_reference_takes_every_row(folder: Path, feed: str) -> None:
    with (folder / f"{feed}.csv").open(encoding="utf-8", newline="") as file:
        read = [MODELS[feed].model_validate({name: cell for name, cell in row.items() if cell}) for row in csv.DictReader(file)]
    assert len({row.key for row in read}) == len(read) > 0


def test_dispatch_takes_every_provider(folder: Path, world: World) -> None:
    found = dispatch.from_csv((folder / "providers.csv").read_text(encoding="utf-8"))
    assert [(one.id, one.door, [area.service for area in one.areas]) for one in found] == [
        (one.id, one.door, list(one.services)) for one in world.providers
    ]
    assert all(siret.is_valid(one.siret) for one in found)


def test_every_service_has_a_tariff_and_words() -> None:
    assert catalogue.TARIFF.keys() == set(catalogue.SERVICES) == words.WISHES.keys()
    assert {service for product in catalogue.PRODUCTS for service in product.services} == set(catalogue.SERVICES)


def test_identifiers_of_firms_check_and_terms_are_fractions() -> None:
    for principal in catalogue.principals():
        assert siren.is_valid(principal["siren"])
        assert 0 <= float(principal["markup_rate"]) < 1


def test_callers_are_drawn_without_repeating_anybody(world: World) -> None:
    callers = seed.choose_callers(world, 1, 300)
    assert len({caller.number for caller in callers}) == len(callers) >= 300


def test_every_hundred_stories_hold_each_in_its_weight() -> None:
    deck = sum(story.weight for story in stories.STORIES)
    told = stories.tell(1)
    drawn = [next(told) for _ in range(deck)]
    assert all(drawn.count(story) == story.weight for story in stories.STORIES)


def test_whoever_is_asked_after_the_told_replies_accepts() -> None:
    story = stories.Story("declined once", 1, ("decline",))
    assert [story.reply(earlier) for earlier in range(3)] == ["decline", "accept", "accept"]
