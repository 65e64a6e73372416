"""`api_open_case`: POST /api/intake/v1/cases at intake's one web process, with a signed token, validation, Idempotency-Key, state and
outbox. The same client, body size and engines as the yardstick; no worker runs beside either.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from deploy.demo.data import MOBILE
from deploy.platform import _answers, migrate_service
from deploy.stack import Stack
from deploy.supervisor import Process, listening_socket
from tests.bench.load import Load
from tests.tokens import Keys

SERVICE = "intake"


@asynccontextmanager
async def serving(stack: Stack, service: str) -> AsyncIterator[tuple[int, str]]:
    """The port of a service's web process, and an agent's token."""
    keys, listens = Keys(stack.folder), listening_socket()
    port = listens.getsockname()[1]
    environment = {**stack.environment(service), "ENTRAIDE_JWKS_FILE": str(keys.jwks_file)}
    process = Process(f"{service}-web", f"services.{service}.main", environment, stack.folder / f"{service}-web.log", listens)
    running = asyncio.create_task(process.run())
    try:
        await _answers(process, f"http://127.0.0.1:{port}")
        yield port, keys.token(service, str(uuid4()), "agent")
    finally:
        await process.stop()
        await running
        listens.close()


@asynccontextmanager
async def web(stack: Stack) -> AsyncIterator[Load]:
    """Intake's web process, and the load for it."""
    await migrate_service(stack, SERVICE)
    async with serving(stack, SERVICE) as (port, token):
        yield Load(port, f"/api/{SERVICE}/v1/cases", bodies(1000), {"Authorization": f"Bearer {token}"})


def bodies(n: int) -> list[str]:
    """Of about 400 bytes."""
    start = datetime.now(UTC) + timedelta(days=1)
    need = {"service": "towing", "place": "35051", "postcode": "35510", "start": start.isoformat(), "end": (start + timedelta(hours=4)).isoformat()}
    return [
        json.dumps(
            {
                "principal_id": str(uuid4()),
                "member_id": str(uuid4()),
                "beneficiary": {"name": "Camille Martin", "phone": f"{MOBILE}{i:04d}"},
                "address": "12 rue de la Paix, Cesson-Sévigné",
                "needs": [{**need, "words": "Engine warning light, two adults and one child"}],
            }
        )
        for i in range(n)
    ]
