"""The principal's answer to what it must agree to: granted, refused, or too late. Only while it is waited for.

NotAsked 409  answered already, expired, or no longer needed
"""

from dataclasses import replace
from datetime import datetime

from services.kit.errors import Conflict
from services.reference.domain.coverage import (
    ApprovalAnswered,
    Consumed,
    Cover,
    Decision,
    Fact,
    Granted,
    Refused,
    TaskOpened,
    expire,
    without_task,
)

EXPIRED, NO_ANSWER = "approval_expired", "no_answer"


class NotAsked(Conflict):
    code, title = "not_asked", "This approval was answered, has expired or is no longer needed"


def grant(cover: Cover, approval_id: str, by: str) -> Decision:
    """Raises `NotAsked`."""
    _require_asked(cover, approval_id)
    open_, closed = without_task(cover, "done")
    granted = replace(open_, status="granted", trace=(*cover.trace, "approval_given"), approval_due=None)
    facts: list[Fact] = [ApprovalAnswered(approval_id, by), Granted(granted), *closed]
    if not cover.performed:
        return granted, facts
    consumed = replace(granted, status="consumed")
    return consumed, [*facts, Consumed(consumed)]


def refuse(cover: Cover, approval_id: str, reason: str, by: str, task_id: str) -> Decision:
    """`task_id`: of a task for a person, where the need goes on at our risk. Raises `NotAsked`."""
    _require_asked(cover, approval_id)
    return _turned_down(cover, "approval_refused", ApprovalAnswered(approval_id, by, reason), task_id)


def pass_time(cover: Cover, task_id: str, now: datetime) -> Decision:
    """What a deadline brings: a reminder, then the end of waiting; of what is reserved, its end."""
    if not cover.waits or cover.approval_due is None:
        return expire(cover, now)
    if cover.approval_due <= now:
        return _turned_down(cover, EXPIRED, ApprovalAnswered(cover.decision_id, "system", NO_ANSWER), task_id)
    if cover.due is None or cover.due > now:
        return cover, []
    return replace(cover, task_id=task_id), [TaskOpened(task_id, "approval_unanswered", None, "supervisor")]


def _turned_down(cover: Cover, reason: str, answered: ApprovalAnswered, task_id: str) -> Decision:
    open_, closed = without_task(cover, "done" if answered.by != "system" else "no_longer_needed")
    refused = replace(open_, status="refused", reason=reason, trace=(*cover.trace, reason), approval_due=None)
    facts: list[Fact] = [answered, Refused(refused), *closed]
    if not cover.at_risk or not cover.need_open:
        return refused, facts
    return replace(refused, task_id=task_id), [*facts, TaskOpened(task_id, "at_risk_refused", reason)]


def _require_asked(cover: Cover, approval_id: str) -> None:
    if not cover.waits or cover.decision_id != approval_id:
        raise NotAsked
