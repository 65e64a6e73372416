"""`python -m deploy.demo.robots play|invoice <config.json>`: prints what happens as JSON lines, the result as the last one."""

import asyncio
import itertools
import json
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import httpx
import uvloop

from deploy.demo.robots import doors, finance, stories, watcher
from deploy.demo.robots.callers import Callers
from deploy.demo.robots.client import Client
from deploy.demo.robots.config import Caller, Config, Credentials, Firm
from deploy.demo.robots.diary import Diary
from deploy.demo.robots.doors import Document
from deploy.demo.robots.provider import Provider
from deploy.demo.robots.scene import Scene
from deploy.demo.robots.settler import Settler

PORTAL_SHARE = 0.15
TELL_EVERY_S = 0.5
GIVE_UP_S = 90  # without any case coming to its end


class Company:
    """Every robot's client, by whom it acts for. Each has connections of its own: a pool that all share is slow when many wait."""

    def __init__(self, config: Config, connect: Callable[[], httpx.AsyncClient], diary: Diary) -> None:
        def machine(credentials: Credentials, door: str) -> Client:
            return Client(connect(), credentials, credentials.client_id, door, diary, config.patience_s)

        *desk, clerk = config.desk
        self.agents = [machine(one, "desk") for one in desk]
        self.clerk = machine(clerk, "batch")
        self.finance = machine(config.finance, "finance")
        self.principals = {code: machine(one, "principal") for code, one in config.principals.items()}
        self.firms: list[tuple[Firm, Client]] = [(firm, machine(firm.credentials, firm.door)) for firm in config.firms]
        self.members: list[tuple[Client, Caller]] = [(machine(one.portal, "member"), one) for one in config.callers if one.portal]


async def play(config: Config, company: Company) -> dict[str, Any]:
    scene = Scene(config.in_flight, config.cases_per_s)
    random = Random(f"robots {config.seed}")
    *agents, settler = company.agents
    callers = Callers(scene, company.principals, stories.tell(config.seed), random)
    async with asyncio.TaskGroup() as group:
        forever: list[asyncio.Task[None]] = [
            group.create_task(watcher.follow(scene, agents[0])),
            group.create_task(Settler(scene, settler, group).run()),
        ]
        for firm, client in company.firms:
            provider = Provider(scene, client, agents[0], config.offer_ttl_s, random, group)
            forever.append(group.create_task(provider.hear(_door(config, firm, client))))
        by_batch = _lines(config.batch_file)
        by_portal = round(config.cases * PORTAL_SHARE) if company.members else 0
        people = {one.number: one for one in config.callers}
        on_the_phone = iter([one for one in config.callers if not one.portal][by_batch : config.cases - by_portal])
        forever += [group.create_task(callers.at_the_desk(agent, on_the_phone)) for agent in agents]
        forever.append(group.create_task(callers.at_the_portal(itertools.islice(itertools.cycle(company.members), by_portal))))
        forever.append(group.create_task(callers.from_a_file(company.clerk, config.batch_file, people)))
        await _until_final(scene, config.cases)
        for task in forever:
            task.cancel()
    return _result(scene)


def _door(config: Config, firm: Firm, client: Client) -> AsyncIterator[Document]:
    match firm.door:
        case "kafka":
            return doors.topic(firm, config.kafka_bootstrap)
        case "polling":
            return doors.feed(client)
        case _:
            return doors.extranet(client)


async def _until_final(scene: Scene, cases: int) -> None:
    """Tells how it goes, until every case is over or nothing has come to its end for too long."""
    loop = asyncio.get_running_loop()
    final, moved = 0, loop.time()
    while scene.final < cases and loop.time() - moved < GIVE_UP_S:
        await asyncio.sleep(TELL_EVERY_S)
        if scene.final != final:
            final, moved = scene.final, loop.time()
        _say({"opened": len(scene.cases), "final": scene.final, "in_flight": scene.in_flight})


def _result(scene: Scene) -> dict[str, Any]:
    return {
        "cases": len(scene.cases),
        "needs": len(scene.needs),
        "not_final": [case.number for case in scene.under_way()],
        "in_flight_max": scene.in_flight_max,
        "acts": dict(sorted(scene.acts.items())),
        "delays_ms": {what: [round(delay * 1000, 1) for delay in delays] for what, delays in scene.delays.items()},
    }


def _lines(file: Path) -> int:
    return sum(1 for line in file.read_text(encoding="utf-8").splitlines() if line.strip()) - 1


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def main(what: str, config: Config) -> None:
    async with AsyncExitStack() as open_:
        tls = ssl.create_default_context()  # one for all: making it takes longer than everything else

        def connect() -> httpx.AsyncClient:
            http = httpx.AsyncClient(base_url=config.gateway_url, timeout=20, trust_env=False, verify=tls)
            open_.push_async_callback(http.aclose)
            return http

        company = Company(config, connect, open_.enter_context(Diary(config.diary)))
        if what == "invoice":
            principals = {code: client.tenant or "" for code, client in company.principals.items()}
            _say({"result": await finance.invoice(company.finance, principals)})
        else:
            _say({"result": await play(config, company)})


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Config.read(Path(sys.argv[2]))))
