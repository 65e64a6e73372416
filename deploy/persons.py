"""What the platform holds of a person, collected from every service; and the person's erasure."""

from typing import Any

from contracts.common import Actor
from deploy.operations import database
from deploy.running import Running
from services.billing.store import persons as billing
from services.dispatch.store import persons as dispatch
from services.gateway import store as gateway
from services.intake import store as intake
from services.reference.usecases import duplicates, persons
from services.reference.usecases.persons import Erased
from services.tracking.store import persons as tracking

OPERATOR = Actor(kind="system")


async def export(running: Running, member_id: str) -> dict[str, Any]:
    """By service, then by table. Raises `NotFound`."""
    async with database(running, "reference") as db, db.transaction() as tx:
        found: dict[str, Any] = {"reference": await persons.data(tx.conn, member_id)}
        members = await persons.family(tx.conn, member_id)
    case_ids = [case["case_id"] for case in found["reference"]["cases"]]
    async with database(running, "intake") as db, db.connection() as conn:
        found["intake"] = await intake.held(conn, members)
    async with database(running, "tracking") as db, db.connection() as conn:
        found["tracking"] = await tracking.held(conn, members)
    async with database(running, "dispatch") as db, db.connection() as conn:
        found["dispatch"] = await dispatch.held(conn, members, case_ids)
    async with database(running, "billing") as db, db.connection() as conn:
        found["billing"] = await billing.held(conn, case_ids)
    async with database(running, "gateway") as db, db.connection() as conn:
        found["gateway"] = await gateway.held(conn, members)
    return found


async def erase(running: Running, member_id: str) -> Erased:
    """Raises `NotFound`, `OpenCases`."""
    async with database(running, "reference") as db, db.transaction() as tx:
        return await persons.erase(tx, member_id, OPERATOR)


async def find_duplicates(running: Running) -> tuple[int, int]:
    """How many pairs there are, and how many of them are new."""
    async with database(running, "reference") as db:
        return await duplicates.find(db)
