"""The desk robot that settles what waits for a person: the list of tasks, one after another, until it is told to stop."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.demo.robots.client import Client
from deploy.demo.robots.desk import TRACKING, call_off
from deploy.demo.robots.scene import Need, Scene

DISPATCH = "/api/dispatch/v1"
EVERY_S = 0.7
AGAIN_S = 6.0  # a task that is still open after so long is taken up once more

Task = dict[str, Any]


class Settler:
    def __init__(self, scene: Scene, agent: Client, tasks: asyncio.TaskGroup) -> None:
        self._scene = scene
        self._agent = agent
        self._tasks = tasks
        self._taken: dict[str, float] = {}
        self._settled = 0

    async def run(self) -> None:
        """For ever."""
        now = asyncio.get_running_loop().time
        while True:
            for task in (await self._agent.get(f"{TRACKING}/tasks", limit=200)).body["tasks"]:
                if now() - self._taken.get(task["id"], -AGAIN_S) >= AGAIN_S:
                    self._taken[task["id"]] = now()
                    self._tasks.create_task(self._settle(task))
            await asyncio.sleep(EVERY_S)

    async def _settle(self, task: Task) -> None:
        need = self._scene.needs.get(task["need_id"] or "")
        self._scene.did(f"task: {task['kind']}")
        if need is None:
            return
        need.in_hand = True
        self._settled += 1
        turn = self._settled % 3
        if task["kind"] == "unfilled_mission":
            await self._find_somebody(need, turn)
        elif task["kind"] in ("visit_not_started", "visit_failed", "reconfirmation_missing"):
            await self._send_another(need, task, turn)
        else:
            await self._agent.command("POST", f"/api/{task['opener']}/v1/tasks/{task['id']}/close", {"outcome": "done_by_hand"})

    async def _find_somebody(self, need: Need, turn: int) -> None:
        """By turns: asks several at once, assigns one after a telephone call, leaves it to the member."""
        mission = await self._mission(need)
        firms = await self._askable(mission) if mission else []
        if mission is None or not firms or turn == 0:
            await call_off(self._scene, need, "self_arranged")
        elif turn == 1:
            await self._agent.command("POST", f"{DISPATCH}/missions/{mission}/offers", {"provider_ids": firms[:3]})
        else:
            await self._assign(mission, firms[0])

    async def _send_another(self, need: Need, task: Task, turn: int) -> None:
        mission = await self._mission(need)
        if mission is None or turn == 0:
            await call_off(self._scene, need, "too_late")
            return
        reason = "visit_failed" if task["kind"] == "visit_failed" else "provider_fell_silent"
        await self._agent.command("POST", f"{DISPATCH}/missions/{mission}/reassign", {"reason": reason})

    async def _assign(self, mission: str, firm: str) -> None:
        now = datetime.now(UTC)
        slot = {"start": now.isoformat(), "end": (now + timedelta(hours=2)).isoformat()}
        await self._agent.command("POST", f"{DISPATCH}/missions/{mission}/assign", {"provider_id": firm, "reason": "done_by_hand", **slot})

    async def _mission(self, need: Need) -> str | None:
        missions = (await self._agent.get(f"{DISPATCH}/missions", case_id=need.case.id)).body["missions"]
        return next((mission["id"] for mission in missions if mission["need_id"] == need.id), None)

    async def _askable(self, mission: str) -> list[str]:
        """Those not asked yet first, then those who said no: a person can be talked round."""
        shown = (await self._agent.get(f"{DISPATCH}/missions/{mission}/candidates")).body
        asked = [one["provider_id"] for one in shown["excluded"] if one["reason"] == "already_asked"]
        return [one["provider_id"] for one in shown["candidates"]] + asked
