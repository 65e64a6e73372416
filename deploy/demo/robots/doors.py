"""The three doors of providers. Each yields the same documents for ever: what this provider is told, in order."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.demo.robots.client import Client
from deploy.demo.robots.config import Firm

Document = dict[str, Any]

FEED_EVERY_S = 0.7
EXTRANET_EVERY_S = 0.6  # offers and missions by turns


async def feed(client: Client) -> AsyncIterator[Document]:
    """With a cursor, page by page."""
    after = None
    while True:
        page = (await client.get("/api/dispatch/v1/feed", after=after)).body
        for document in page["items"]:
            yield document
        after = page["next"]
        if not page["items"]:
            await asyncio.sleep(FEED_EVERY_S)


async def topic(firm: Firm, bootstrap: str) -> AsyncIterator[Document]:
    """Its own topic under its own user, from the beginning; what comes twice is dropped by its position."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=f"provider.{firm.id}",
        sasl_plain_password=firm.kafka_password,
        client_id=f"robot-{firm.id[-4:]}",
        retry_backoff_ms=500,
    )
    await consumer.start()
    try:
        partition = TopicPartition(f"provider.{firm.id}.missions", 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        known = 0
        async for record in consumer:
            document = json.loads(record.value)
            if document["position"] > known:
                known = document["position"]
                yield document
    finally:
        await consumer.stop()


async def extranet(client: Client) -> AsyncIterator[Document]:
    """What a person sees who looks at the pages again and again: offers, missions, what changed since."""
    offers: set[str] = set()
    missions: dict[str, Document] = {}
    while True:
        for shown in (await client.get("/api/dispatch/v1/offers")).body["offers"]:
            if shown["offer_id"] not in offers:
                offers.add(shown["offer_id"])
                yield {"kind": "offered", **shown}
        await asyncio.sleep(EXTRANET_EVERY_S)
        for shown in (await client.get("/api/dispatch/v1/missions", state="accepted", limit=200)).body["missions"]:
            before = missions.get(shown["offer_id"])
            missions[shown["offer_id"]] = shown
            if before is None:
                yield {"kind": "accepted", **shown}
            elif shown["amendment"] and not before["amendment"]:
                yield {"kind": "amended", **shown, "wanted": shown["amendment"]["wanted"]}
            elif before["amendment"] and not shown["amendment"]:
                yield {"kind": "reconfirmed", **shown}
        await asyncio.sleep(EXTRANET_EVERY_S)
