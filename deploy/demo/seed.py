"""Loads the demo's world through each service's own use cases, before its processes start. What is told goes out when their relays run."""

import asyncio
from dataclasses import dataclass
from datetime import date
from random import Random

from deploy.demo import accounts, files
from deploy.demo.accounts import Machines, People
from deploy.demo.data import Member, World
from deploy.platform import Platform
from deploy.stack import Stack
from services.billing import usecases as billing
from services.dispatch.usecases import providers as dispatch
from services.gateway import usecases as gateway
from services.gateway.domain import NewClient, NewUser
from services.kit.db import Database
from services.reference.store import feed as reference
from services.reference.store import members as reference_members
from services.reference.usecases.feed import load_csv


class BadSeed(Exception):
    """A file of the demo was refused: a bug of the demo, or of the loader."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """Ids that the services gave, credentials, and who will call."""

    world: World
    callers: list[Member]
    principals: dict[str, str]  # code -> id
    portals: dict[str, str]  # number -> id of members with a portal
    machines: Machines
    people: People
    topics: dict[str, str]  # provider -> password of its Kafka user


async def seed(platform: Platform, world: World, callers: list[Member]) -> Seeded:
    """Raises `BadSeed`."""
    stack = platform.stack
    folder = stack.folder / "demo"
    await asyncio.to_thread(files.write, world, folder, callers)
    async with asyncio.TaskGroup() as group:
        topics = group.create_task(_topics(stack, [one.id for one in world.providers if one.door == "kafka"]))
        group.create_task(_network(stack))
        group.create_task(_tariffs(stack))
        ids = group.create_task(_members(stack, [one.number for one in callers if one.covered(date.today())][: accounts.PORTALS]))
    principals, portals = ids.result()
    machines = accounts.machines(world.providers, principals, portals)
    people = accounts.people(world, principals, portals)
    await _accounts(stack, machines.all, people.users)
    return Seeded(world, callers, principals, portals, machines, people, topics.result())


def choose_callers(world: World, seed: int, cases: int) -> list[Member]:
    """Each calls once, as long as there are enough."""
    random = Random(f"callers {seed}")
    count = min(len(world.members), cases + accounts.PORTALS)
    return random.sample(world.members, count)


async def _members(stack: Stack, numbers: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The feeds of reference; the principals' ids, and those of these members."""
    db = await _database(stack, "reference")
    try:
        for kind in files.FEEDS:
            report = await load_csv(db, kind, stack.folder / "demo" / f"{kind}.csv")
            if report.bad:
                raise BadSeed(f"{kind}: {report.bad} rows refused, the first {report.problems[0]}")
        async with db.transaction() as tx:
            found = {number: await reference_members.lookup(tx.conn, number=number) for number in numbers}
            return await reference.principal_ids(tx.conn), {number: rows[0]["id"] for number, rows in found.items()}
    finally:
        await db.close()


async def _network(stack: Stack) -> None:
    db = await _database(stack, "dispatch")
    try:
        async with db.transaction() as tx:
            for provider in dispatch.from_csv((stack.folder / "demo" / "providers.csv").read_text(encoding="utf-8")):
                await dispatch.upsert_provider(tx, provider)
    finally:
        await db.close()


async def _tariffs(stack: Stack) -> None:
    db = await _database(stack, "billing")
    try:
        async with db.transaction() as tx:
            await billing.load_tariffs(tx, (stack.folder / "demo" / "tariffs.csv").read_text(encoding="utf-8").splitlines())
    finally:
        await db.close()


async def _accounts(stack: Stack, clients: list[NewClient], users: list[NewUser]) -> None:
    """In parallel: hashing a secret takes a while, on purpose."""
    db = await _database(stack, "gateway")

    async def client(new: NewClient) -> None:
        async with db.transaction() as tx:
            await gateway.create_client(tx, new)

    async def user(new: NewUser) -> None:
        async with db.transaction() as tx:
            await gateway.create_user(tx, new)

    try:
        for start in range(0, len(clients), 4):  # no more at once than the pool has connections
            await asyncio.gather(*map(client, clients[start : start + 4]))
        for start in range(0, len(users), 4):
            await asyncio.gather(*map(user, users[start : start + 4]))
    finally:
        await db.close()


async def _topics(stack: Stack, providers: list[str]) -> dict[str, str]:
    made = await asyncio.gather(*map(stack.ensure_provider_topic, providers))
    return {provider: broker.password for provider, broker in zip(providers, made, strict=True)}


async def _database(stack: Stack, service: str) -> Database:
    return await Database.connect(service, stack.environment(service)["ENTRAIDE_DATABASE_URL"], size=4)
