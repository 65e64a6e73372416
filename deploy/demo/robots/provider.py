"""A provider: answers what it is offered, goes where it has accepted to go, and does it the way the need's story tells."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

from deploy.demo.catalogue import TARIFF
from deploy.demo.robots import desk
from deploy.demo.robots.client import Answer, Client
from deploy.demo.robots.doors import Document
from deploy.demo.robots.scene import Need, Scene
from deploy.demo.robots.stories import Reply, Visit

Done = TypeVar("Done")

DISPATCH = "/api/dispatch/v1"
TRACKING = "/api/tracking/v1"
DECLINES = ("no_capacity", "too_far", "time_not_possible", "worker_ill", "vehicle_unavailable")
TRIES = 60  # until tracking has heard of an acceptance


class Provider:
    def __init__(self, scene: Scene, client: Client, looking: Client, offer_ttl_s: float, random: Random, tasks: asyncio.TaskGroup) -> None:
        """`looking`: an agent whose view of the case is timed."""
        self._scene = scene
        self._client = client
        self._looking = looking
        self._ttl = offer_ttl_s
        self._random = random
        self._tasks = tasks

    async def hear(self, documents: AsyncIterator[Document]) -> None:
        """For ever. Every document is acted on beside the others."""
        async for document in documents:
            match document["kind"]:
                case "offered":
                    self._tasks.create_task(self._offered(document))
                case "accepted" | "reconfirmed":
                    self._tasks.create_task(self._expected(document))
                case "amended":
                    self._tasks.create_task(self._amended(document))

    async def _offered(self, document: Document) -> None:
        need = await self._scene.need(document["case_number"])
        if need is None:
            return
        if need.offers == 0:
            self._scene.seen(f"offer at a provider's {self._client.door}", need.case.opened_at)
        earlier = need.offers
        need.offers += 1
        await self._moment(0.05, 0.5)
        await self._reply("accept" if need.in_hand else need.story.reply(earlier), need, document)

    async def _reply(self, reply: Reply, need: Need, document: Document) -> None:
        self._scene.did(f"reply: {reply}")
        match reply:
            case "accept":
                await self._accept(need, document)
            case "accept_twice":
                await asyncio.gather(self._accept(need, document), self._accept(need, document))
            case "decline":
                await self._decline(document)
            case "decline_then_accept":
                await self._decline(document)
                await self._accept(need, document)
            case "ignore":
                pass
            case "too_late":
                await asyncio.sleep(self._ttl + 1.5)
                await self._accept(need, document)
            case "called_off":
                await desk.call_off(self._scene, need)
            case "cancel_x_accept":
                await asyncio.gather(desk.call_off(self._scene, need), self._after_a_blink(self._accept(need, document)))
            case "cancel_x_decline":
                await asyncio.gather(desk.call_off(self._scene, need), self._after_a_blink(self._decline(document)))
            case "amended":
                await desk.change_wish(self._scene, need)

    async def _accept(self, need: Need, document: Document) -> None:
        sent = time.monotonic()
        answer = await self._client.command("POST", f"{DISPATCH}/offers/{document['offer_id']}/accept", self._slot())
        if answer.ok:
            await desk.watch(self._scene, "acceptance in the desk's view", self._looking, need.case, answer, sent)
        else:
            self._scene.did(f"acceptance refused: {answer.code}")

    async def _decline(self, document: Document) -> None:
        body = {"reason": self._random.choice(DECLINES)}
        await self._client.command("POST", f"{DISPATCH}/offers/{document['offer_id']}/decline", body)

    async def _amended(self, document: Document) -> None:
        await self._moment(0.1, 0.4)
        await self._client.command("POST", f"{DISPATCH}/missions/{document['mission_id']}/reconfirm", self._slot())

    async def _expected(self, document: Document) -> None:
        """It is to go there: for the first time, or still after a change."""
        need = await self._scene.need(document["case_number"])
        if need is None:
            return
        again = document["kind"] == "reconfirmed"
        plan: Visit = "done" if need.visits or need.in_hand or again else need.story.visit
        need.visits += 1
        self._scene.did(f"visit: {plan}")
        await self._moment(0.2, 0.7)
        await self._visit(plan, need, document)

    async def _visit(self, plan: Visit, need: Need, document: Document) -> None:
        mission = document["mission_id"]
        match plan:
            case "done":
                if await self._start(mission):
                    await self._complete(need, mission)
            case "silent":
                pass
            case "fails":
                if self._random.random() < 0.5:
                    await self._start(mission)
                await self._at_work(mission, "fail", {"reason": self._random.choice(("nobody_home", "no_access", "wrong_material"))})
            case "given_up":
                await self._client.command("POST", f"{DISPATCH}/missions/{mission}/give-up", {"reason": "worker_ill"})
            case "called_off":
                await desk.call_off(self._scene, need, "solved_otherwise")
            case "amended":
                if not await desk.change_wish(self._scene, need) and await self._start(mission):
                    await self._complete(need, mission)
            case "cancel_x_start" | "amend_x_start":
                await self._known_at_tracking(mission)
                act = desk.call_off if plan == "cancel_x_start" else desk.change_wish
                _, started = await asyncio.gather(act(self._scene, need), self._after_a_blink(self._start(mission)))
                if started:
                    await self._complete(need, mission)

    async def _start(self, mission: str) -> bool:
        return (await self._at_work(mission, "start", None)).ok

    async def _complete(self, need: Need, mission: str) -> None:
        await self._moment(0.2, 0.8)
        sent = time.monotonic()
        answer = await self._at_work(mission, "complete", {"lines": self._lines(need)})
        if answer.ok:
            await desk.watch(self._scene, "completion in the desk's view", self._looking, need.case, answer, sent)

    async def _at_work(self, mission: str, what: str, body: Document | None) -> Answer:
        """The app of the worker tries again while the visit is not known there yet."""
        await self._known_at_tracking(mission)
        answer = await self._client.command("POST", f"{TRACKING}/missions/{mission}/{what}", body)
        if not answer.ok:
            self._scene.did(f"{what} refused: {answer.code}")
        return answer

    async def _known_at_tracking(self, mission: str) -> None:
        for _ in range(TRIES):
            if (await self._client.get(f"{TRACKING}/missions/{mission}")).status != 404:
                return
            await asyncio.sleep(0.15)

    def _lines(self, need: Need) -> list[dict[str, str]]:
        """The need's own unit first; sometimes something on top."""
        first, *more = TARIFF[need.service]
        lines = [(first, need.quantity)]
        if more and self._random.random() < 0.6:
            lines.append((more[0], str(self._random.randint(3, 40) if more[0][1] == "km" else 1)))
        return [{"article": price[0], "unit": price[1], "quantity": quantity} for price, quantity in lines]

    def _slot(self) -> dict[str, str]:
        now = datetime.now(UTC)
        return {"start": now.isoformat(), "end": (now + timedelta(hours=2)).isoformat()}

    async def _moment(self, least: float, most: float) -> None:
        await asyncio.sleep(self._random.uniform(least, most))

    async def _after_a_blink(self, act: Coroutine[Any, Any, Done]) -> Done:
        """So short that either may come first."""
        await asyncio.sleep(self._random.uniform(0, 0.02))
        return await act
