"""The one list of tasks for people."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from contracts.common import Code, Id
from services.kit import cursor
from services.kit.app import PROBLEMS
from services.kit.bounds import IfMatch, Limit, version
from services.kit.errors import Forbidden
from services.tracking.api.shared import PREFIX, Cmd, Desk, Reader, db
from services.tracking.store import tasks
from services.tracking.usecases import tasks as usecases

router = APIRouter(prefix=PREFIX, tags=["tasks"], responses=PROBLEMS)


class Outcome(BaseModel):
    outcome: Code


@router.get("/tasks")
async def list_tasks(
    caller: Reader,
    request: Request,
    role: Code | None = None,
    state: Literal["open", "closed"] = "open",
    case_id: Id | None = None,
    after: Annotated[str | None, Query(description="the `next` of the page before")] = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """What waits for a person, the first to fall due first."""
    if not caller.staff:
        raise Forbidden("tasks are for staff")
    place = cursor.decode(after, cursor.instant, cursor.uuid)
    async with db(request).connection() as conn:
        rows = await tasks.listing(
            conn,
            role=role,
            is_open=state == "open",
            case_id=case_id,
            after=place,
            limit=limit,
        )
        total = await tasks.count_open(conn)
    return {"tasks": rows, "next": cursor.encode(rows[-1]["due_at"], rows[-1]["id"]) if len(rows) == limit else None, "open": total}


@router.post("/tasks/{task_id}/take")
async def take(task_id: Id, caller: Desk, command: Cmd, if_match: IfMatch = None) -> Response:
    """409 when somebody else was faster."""

    async def action(tx: Any) -> dict[str, Any]:
        return await usecases.take(tx, task_id, caller.id, version(if_match))

    return await command.run(action)


@router.post("/tasks/{task_id}/release")
async def release(task_id: Id, caller: Desk, command: Cmd, if_match: IfMatch = None) -> Response:
    async def action(tx: Any) -> dict[str, Any]:
        return await usecases.release(tx, task_id, caller.id, version(if_match))

    return await command.run(action)


@router.post("/tasks/{task_id}/close")
async def close(task_id: Id, body: Outcome, caller: Desk, command: Cmd) -> Response:
    """Of a visit; a task that another service opened is settled there (409 `another_opener`)."""

    async def action(tx: Any) -> dict[str, Any]:
        return await usecases.close(tx, task_id, body.outcome, caller.actor)

    return await command.run(action)
