"""The robots of the chain's figures. An agent opens cases; providers and their workers read the log and answer at once: an offer is
accepted, a visit that is scheduled starts and ends. They speak HTTP to the services' own web processes, with tokens as the gateway
signs them, over 16 kept connections to each; a command is sent once, and any refusal ends the measurement.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import orjson
from aiokafka import AIOKafkaConsumer

from deploy.demo.catalogue import TARIFF
from deploy.platform import Platform
from services.gateway.domain import Sees, scopes_of
from services.gateway.tokens import SIGNING_KEYS, Signer
from tests.bench.load import Connection, head, post

CONNECTIONS = 16
KEPT_S = 3  # uvicorn closes after five
DEADLINE_S = 300


class Door:
    """A web process; at most 16 requests at once, over connections that are kept while they are in use."""

    def __init__(self, platform: Platform, service: str) -> None:
        listens = platform.process(f"{service}-web").listens
        assert listens is not None
        self._port = listens.getsockname()[1]
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._kept: list[tuple[float, Connection]] = []  # each with when it was last used

    async def post(self, path: str, token: str, body: bytes = b"") -> Any:
        async with self._slots:
            connection = self._fresh() or await asyncio.open_connection("127.0.0.1", self._port)
            answer = await post(connection, head(self._port, path, {"Authorization": f"Bearer {token}"}), body)
            self._kept.append((time.monotonic(), connection))
        return orjson.loads(answer)

    def close(self) -> None:
        while self._kept:
            self._kept.pop()[1][1].close()

    def _fresh(self) -> Connection | None:
        """The one used last, unless the server may be about to close it."""
        if self._kept and time.monotonic() - self._kept[-1][0] < KEPT_S:
            return self._kept.pop()[1]
        self.close()
        return None


class Robots:
    def __init__(self, doors: dict[str, Door], signer: Signer) -> None:
        self._doors = doors
        self._signer = signer
        self._tokens: dict[str, str] = {}
        self._agent = self._sign(Sees(roles=("agent",)))
        self._offers: dict[str, dict[str, Any]] = {}  # by mission
        self._charged: set[str] = set()
        self._heard = asyncio.Event()

    async def open_case(self, body: bytes) -> str:
        """Its id."""
        opened = await self._doors["intake"].post("/api/intake/v1/cases", self._agent, body)
        return str(opened["case_id"])

    async def until_charged(self, cases: Iterable[str]) -> None:
        """Until the charge of every case is in the log."""
        waiting = set(cases)
        async with asyncio.timeout(DEADLINE_S):
            while waiting := waiting - self._charged:
                self._heard.clear()
                await self._heard.wait()

    async def hear(self, log: AIOKafkaConsumer, tasks: asyncio.TaskGroup) -> None:
        """For ever."""
        while True:
            polled = await log.getmany(timeout_ms=500)
            for record in (record for records in polled.values() for record in records):
                match dict(record.headers)["ce_type"]:
                    case b"dispatch.mission_offered.v1":
                        tasks.create_task(self._accept(orjson.loads(record.value)))
                    case b"tracking.visit_scheduled.v1":
                        tasks.create_task(self._work(orjson.loads(record.value)))
                    case b"billing.charge_recorded.v1":
                        self._charged.add(record.key.decode())
                        self._heard.set()

    async def _accept(self, offer: dict[str, Any]) -> None:
        self._offers[offer["mission_id"]] = offer
        body = json.dumps(offer["wanted"]).encode()
        await self._doors["dispatch"].post(f"/api/dispatch/v1/offers/{offer['offer_id']}/accept", self._token(offer["provider_id"]), body)

    async def _work(self, visit: dict[str, Any]) -> None:
        offer = self._offers.pop(visit["mission_id"])
        article, unit, *_ = TARIFF[offer["service"]][0]
        lines = [{"article": article, "unit": unit, "quantity": offer["quantity"]}]
        mission, token = f"/api/tracking/v1/missions/{visit['mission_id']}", self._token(visit["provider_id"])
        await self._doors["tracking"].post(f"{mission}/start", token)
        await self._doors["tracking"].post(f"{mission}/complete", token, json.dumps({"lines": lines}).encode())

    def _token(self, provider_id: str) -> str:
        if provider_id not in self._tokens:
            self._tokens[provider_id] = self._sign(Sees(roles=("provider",), provider_id=provider_id))
        return self._tokens[provider_id]

    def _sign(self, sees: Sees) -> str:
        return self._signer.sign(str(uuid4()), sees, scopes_of(sees.roles))


@asynccontextmanager
async def at_work(platform: Platform) -> AsyncIterator[Robots]:
    """Raises what went wrong with a robot, also in the middle of the block."""
    broker = platform.stack.broker
    log = AIOKafkaConsumer(
        "cases",
        bootstrap_servers=broker.bootstrap,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=broker.user,
        sasl_plain_password=broker.password,
        enable_auto_commit=False,
        fetch_max_wait_ms=100,
    )
    doors = {service: Door(platform, service) for service in ("intake", "dispatch", "tracking")}
    robots = Robots(doors, Signer(platform.stack.folder / "secrets" / SIGNING_KEYS))
    await log.start()
    try:
        await log.seek_to_end()
        async with asyncio.TaskGroup() as tasks:
            hearing = tasks.create_task(robots.hear(log, tasks))
            yield robots
            hearing.cancel()
    finally:
        await log.stop()
        for door in doors.values():
            door.close()
