"""What an operator does with providers: see them, add one with all that it signs in with, see how one stands."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # its stubs re-export without saying so
from pydantic import ValidationError

from deploy import topics
from deploy.operations import database
from deploy.running import Running
from deploy.topics import Broker
from services.dispatch.domain.provider import Provider
from services.dispatch.emits.events import provider_changed
from services.dispatch.store import feed
from services.dispatch.store import providers as store
from services.dispatch.usecases import providers as dispatch
from services.gateway import store as accounts
from services.gateway import usecases as gateway
from services.gateway.domain import NewClient
from services.kit.clock import new_id
from services.kit.errors import Conflict, Invalid, NotFound


@dataclass(frozen=True)
class Added:
    """`reader`: who reads the provider's own topic, where that is its door."""

    provider: Provider
    client: NewClient
    reader: Broker | None


@dataclass(frozen=True)
class Standing:
    """`told` documents so far, `unsent` of them not yet on its topic; `lag` by consumer group, None for a group without a position."""

    provider: Provider
    told: int
    answer: str | None
    answered_at: datetime | None
    unsent: int
    lag: dict[str, int | None]


async def everybody(running: Running) -> list[Provider]:
    """By code."""
    async with database(running, "dispatch") as db, db.connection() as conn:
        return sorted((await store.everybody(conn)).values(), key=lambda one: one.code)


async def add(running: Running, row: Mapping[str, str]) -> Added:
    """`row` as in a file of providers, without id. What was added by half is completed. Raises `Invalid`, `Conflict`."""
    wanted = dispatch.of_row({"id": new_id(), **row})
    _check(wanted)
    client = NewClient(
        client_id=f"provider-{wanted.code}", secret=secrets.token_urlsafe(32), name=wanted.label, roles=("provider",), provider_id=wanted.id
    )
    async with database(running, "dispatch") as network, database(running, "gateway") as door:
        async with door.transaction() as tx:
            if await accounts.client_by_id(tx, client.client_id):
                raise Conflict(f"{wanted.code} is there already, with credentials of its own")
        async with network.connection() as conn:
            before = await store.find(conn, wanted.code)
        if before:
            wanted, client = replace(wanted, id=before.id, version=before.version), replace(client, provider_id=before.id)
            if wanted != before:
                raise Conflict(f"another provider has the code {wanted.code}")
        reader = None
        if wanted.door == "kafka":  # before anything is to be sent there
            reader = await asyncio.to_thread(topics.open_provider_topic, running.broker, wanted.id, secrets.token_hex(24))
        async with network.transaction() as tx:
            saved = await dispatch.upsert_provider(tx, wanted)
        async with door.transaction() as tx:
            await gateway.create_client(tx, client)
    return Added(saved, client, reader)


async def standing(running: Running, name: str) -> Standing:
    """`name`: its code or its id. Raises `NotFound`."""
    async with database(running, "dispatch") as db, db.connection() as conn:
        provider = await store.find(conn, name)
        if provider is None:
            raise NotFound(f"no provider has the code or id {name}")
        told, answer, answered_at = await feed.head(conn, provider.id)
        topic = f"provider.{provider.id}.missions"
        unsent = await conn.fetchval("select count(*) from kit.unsent where topic = $1", topic)
    lag = await asyncio.to_thread(_lag, running.broker, provider.id, topic) if provider.door == "kafka" else {}
    return Standing(provider, told, answer, answered_at, unsent, lag)


def _check(provider: Provider) -> None:
    """By the model of the event that will tell of it: the strictest there is."""
    try:
        provider_changed(provider)
    except ValidationError as wrong:
        first = wrong.errors(include_input=False, include_url=False)[0]
        raise Invalid(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _lag(broker: Broker, provider_id: str, topic: str) -> dict[str, int | None]:
    admin = broker.admin()
    place = TopicPartition(topic, 0)
    end = admin.list_offsets({place: OffsetSpec.latest()})[place].result(10).offset  # type: ignore[no-untyped-call]
    found: dict[str, int | None] = {}
    for group in admin.list_consumer_groups().result(10).valid:
        if group.group_id.startswith(f"provider.{provider_id}."):
            [asked] = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group.group_id, [place])]).values()
            [position] = asked.result(10).topic_partitions
            found[group.group_id] = end - position.offset if position.offset >= 0 else None
    return found
