"""Cases are opened here: by agents while somebody is on the telephone, by members at their own portal, by a batch file."""

import csv
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from deploy.demo.catalogue import SERVICES, TARIFF
from deploy.demo.robots.client import Client
from deploy.demo.robots.config import Caller
from deploy.demo.robots.desk import INTAKE, call_off, watch
from deploy.demo.robots.scene import Case, Need, Scene
from deploy.demo.robots.stories import Story
from deploy.demo.words import WISHES

REFERENCE = "/api/reference/v1"
SEVERAL = 10  # one case in so many has two or three needs
HOURS = {"gardening": ("2", "3", "4"), "home_help": ("2", "3"), "childcare": ("3", "4"), "handyman": ("1", "2")}
IMMEDIATE = frozenset({"towing", "taxi", "locksmith"})

Wanted = tuple[str, str, Story]  # service, quantity, what becomes of it


class Callers:
    """Opens cases one after another, as long as there is room for one more under way."""

    def __init__(self, scene: Scene, principals: dict[str, Client], stories: Iterator[Story], random: Random) -> None:
        self._scene = scene
        self._principals = principals
        self._stories = stories
        self._random = random
        self._opened = 0

    async def at_the_desk(self, agent: Client, calls: Iterator[Caller]) -> None:
        for caller in calls:
            await self._scene.room()
            known = await self._find(agent, caller)
            await self._open(agent, "phone", caller, known, self._wanted(caller))

    async def at_the_portal(self, calls: Iterable[tuple[Client, Caller]]) -> None:
        for member, caller in calls:
            await self._scene.room()
            known = (await member.get(f"{REFERENCE}/me")).body
            await self._open(member, "portal", caller, known, self._wanted(caller))

    async def from_a_file(self, clerk: Client, file: Path, people: dict[str, Caller]) -> None:
        """Columns: member, service, quantity."""
        with file.open(encoding="utf-8", newline="") as rows:
            for row in csv.DictReader(rows):
                await self._scene.room()
                caller = people[row["member"]]
                known = await self._find(clerk, caller)
                story = next(self._stories)
                await self._open(clerk, "batch", caller, known, [(row["service"], row["quantity"], story)])

    async def _find(self, agent: Client, caller: Caller) -> dict[str, Any]:
        """As callers say who they are: by telephone, by member number, by name and birth date."""
        ways = [caller.phone, caller.number, f"{caller.name} {caller.birth_date:%d/%m/%Y}"]
        self._random.shuffle(ways)
        for said in ways:
            for member in (await agent.get(f"{REFERENCE}/members", q=said)).body["members"]:
                if member["number"] == caller.number:
                    known: dict[str, Any] = member
                    return known
            self._scene.did("not found at first")
        raise LookupError(f"nobody finds {caller.number}")

    def _wanted(self, caller: Caller) -> list[Wanted]:
        self._opened += 1
        several = self._random.choice((2, 2, 3)) if self._opened % SEVERAL == 0 else 1
        return [self._one(caller, next(self._stories)) for _ in range(several)]

    def _one(self, caller: Caller, story: Story) -> Wanted:
        not_covered = [service for service in SERVICES if service not in caller.covered]
        services = caller.covered if story.covered and caller.covered else not_covered or caller.covered
        service = self._random.choice(services)
        return service, self._random.choice(HOURS.get(service, ("1",))), story

    async def _open(self, client: Client, channel: str, caller: Caller, known: dict[str, Any], wanted: list[Wanted]) -> None:
        now = datetime.now(UTC)
        start, end = now.isoformat(), (now + timedelta(hours=6)).isoformat()
        for service, quantity, _ in wanted:
            asked = {"member_id": known["id"], "service": service, "place": caller.insee, "start": start, "quantity": quantity}
            await client.ask(f"{REFERENCE}/coverage/preview", asked | {"unit": TARIFF[service][0][1]})
        body = {
            "principal_id": known["principal_id"],
            "member_id": known["id"],
            "channel": channel,
            "beneficiary": {"name": caller.name, "phone": caller.phone},
            "address": caller.address,
            "needs": [
                {
                    "service": service,
                    "place": caller.insee,
                    "postcode": caller.postcode,
                    "start": start,
                    "end": end,
                    "urgency": "immediate" if service in IMMEDIATE else "today",
                    "quantity": quantity,
                    "words": self._random.choice(WISHES[service]),
                }
                for service, quantity, _ in wanted
            ],
        }
        sent = time.monotonic()
        answer = await client.command("POST", f"{INTAKE}/cases", body)
        if not answer.ok:
            self._scene.did(f"case refused: {answer.code}")
            self._scene.no_case()
            return
        made = answer.body
        case = Case(made["case_id"], made["number"], caller, client, self._principals[caller.principal], sent, answer.position)
        for opened, (service, quantity, story) in zip(made["needs"], wanted, strict=True):
            case.needs.append(Need(opened["need_id"], opened["number"], service, quantity, now, now + timedelta(hours=6), story, case))
        self._scene.opened(case)
        for need in case.needs:
            if need.story.called_off_at_once:
                await call_off(self._scene, need)
        await watch(self._scene, "case at the principal's", case.principal, case, answer, sent)
