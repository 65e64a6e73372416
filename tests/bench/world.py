"""The chain's reference data, and calls for help that all end in a charge: each by a member of its own, for a service that is
covered, at the seat of a provider who does it.
"""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import asyncpg

from deploy.demo import data, seed
from deploy.demo.data import Member, Provider, World
from deploy.platform import Platform

SEED = 1
DAYS = 14  # over which the wishes spread


async def seeded(platform: Platform, members: int) -> Iterator[bytes]:
    """Members, contracts, providers and tariffs of the demo, loaded as the demo loads them. Returns the calls, as bodies of POST /cases."""
    world = data.make(SEED, date.today(), members)
    await seed.seed(platform, world, [])
    db = await asyncpg.connect(platform.stack.environment("reference")["ENTRAIDE_DATABASE_URL"])
    ids = {row["number"]: (str(row["id"]), str(row["principal_id"])) for row in await db.fetch("select number, id, principal_id from member")}
    await db.close()
    return calls(world, ids)


def calls(world: World, ids: dict[str, tuple[str, str]]) -> Iterator[bytes]:
    for serial, member in enumerate(world.members):
        provider = world.providers[serial % len(world.providers)]
        wanted = [service for service in member.covered(date.today()) if service in provider.services]
        if wanted:
            yield json.dumps(call(member, ids[member.number], provider, wanted[serial % len(wanted)], timedelta(days=serial % DAYS))).encode()


def call(member: Member, ids: tuple[str, str], provider: Provider, service: str, ahead: timedelta) -> dict[str, object]:
    start = datetime.now(UTC) + ahead
    return {
        "member_id": ids[0],
        "principal_id": ids[1],
        "beneficiary": {"name": f"{member.first_name} {member.last_name}", "phone": member.phones[0]},
        "address": f"{member.address}, {member.postcode} {member.town.name}",
        "needs": [
            {
                "service": service,
                "place": provider.town.insee,
                "postcode": provider.town.postcodes[0],
                "start": start.isoformat(),
                "end": (start + timedelta(hours=4)).isoformat(),
                "words": "As soon as possible, please",
            }
        ],
    }
