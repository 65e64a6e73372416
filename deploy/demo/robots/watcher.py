"""Follows the open cases at the desk until every need of each is in a final state."""

import asyncio

from deploy.demo.robots.client import Client
from deploy.demo.robots.desk import TRACKING
from deploy.demo.robots.scene import Case, Scene

FINAL = frozenset({"performed", "cancelled", "refused"})
EVERY_S = 0.5


async def follow(scene: Scene, desk: Client) -> None:
    """For ever. A case that the list of open ones does not show any more is looked at once, and then it is over; unless a
    visit had started and the log takes the cancellation back."""
    while True:
        suspects = scene.under_way()
        still_open = await _open_ids(desk)
        for case_id in still_open & scene.cases.keys():
            scene.revive(scene.cases[case_id])
        for case in suspects:
            if case.id not in still_open and await _is_final(desk, case):
                scene.end(case)
        await asyncio.sleep(EVERY_S)


async def _open_ids(desk: Client) -> set[str]:
    """Of cases that wait for anybody."""
    found: set[str] = set()
    after = None
    while True:
        page = (await desk.get(f"{TRACKING}/cases", sort="next", after=after, limit=200)).body
        found |= {case["case_id"] for case in page["cases"]}
        after = page["next"]
        if after is None:
            return found


async def _is_final(desk: Client, case: Case) -> bool:
    shown = await desk.get(f"{TRACKING}/cases/{case.id}", after=case.position)
    needs = shown.body["needs"] if shown.ok else []
    return len(needs) == len(case.needs) and all(need["state"] in FINAL for need in needs)
