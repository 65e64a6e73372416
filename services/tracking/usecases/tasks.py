"""Who takes which task. A task is closed only by the service that opened it; ours are those of visits."""

from typing import Any

from contracts.common import Actor
from services.kit.db import Transaction
from services.kit.errors import Conflict, NotFound, StaleVersion
from services.tracking.store import changes, tasks
from services.tracking.usecases import work


class AlreadyTaken(Conflict):
    code, title = "already_taken", "Somebody else has taken this task"


class AnotherOpener(Conflict):
    code, title = "another_opener", "Only the service that opened a task closes it"


class TaskClosed(Conflict):
    code, title = "task_closed", "The task is closed"


async def take(tx: Transaction, task_id: str, by: str, expected: int | None) -> dict[str, Any]:
    """Taking twice changes nothing."""
    task = await _load(tx, task_id)
    if task["taken_by"] == by:
        return task
    _require_open(task)
    if task["taken_by"]:
        raise AlreadyTaken
    return await _change(tx, task, by, expected)


async def release(tx: Transaction, task_id: str, by: str, expected: int | None) -> dict[str, Any]:
    task = await _load(tx, task_id)
    if task["taken_by"] is None:
        return task
    _require_open(task)
    if task["taken_by"] != by:
        raise AlreadyTaken
    return await _change(tx, task, None, expected)


async def close(tx: Transaction, task_id: str, outcome: str, by: Actor) -> dict[str, Any]:
    """Of a visit. The list shows it closed once the log has said so. Closing twice changes nothing."""
    task = await _load(tx, task_id)
    if task["opener"] != "tracking":
        raise AnotherOpener(f"settle it where it was opened: {task['opener']}")
    await work.settle(tx, task_id, outcome, by)
    return task


async def _change(tx: Transaction, task: dict[str, Any], by: str | None, expected: int | None) -> dict[str, Any]:
    if expected is not None and expected != task["version"]:
        raise StaleVersion(f"the task is at version {task['version']}; load it again")
    await tasks.take(tx.conn, task["id"], by, tx.now if by else None)
    await changes.note(tx.conn, {changes.TASKS: None})
    await changes.tell(tx.conn)
    changed = await tasks.load(tx.conn, task["id"])
    assert changed is not None, "the row is locked"
    return changed


async def _load(tx: Transaction, task_id: str) -> dict[str, Any]:
    task = await tasks.load(tx.conn, task_id)
    if task is None:
        raise NotFound("no such task")
    return task


def _require_open(task: dict[str, Any]) -> None:
    if task["closed_at"]:
        raise TaskClosed
