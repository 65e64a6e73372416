"""Every answer the robots were given against the log: a command answered with success took effect once, an unanswered one at most once.

The outcome of a command is that of its key: `ok` once any try was answered so; `info` when it may have happened; else `fail`.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tests.checker.inputs import Entry, Finding, Log, Record

COMMANDS = frozenset({"POST", "PUT", "DELETE", "PATCH"})


class Rule(NamedTuple):
    """`id`: where the command tells the `field` of its event: `path`, or a place in the answer. `once`: its event happens once,
    however often it is asked for. `asked`: nobody but a robot of that kind (`*`: any) does this."""

    method: str
    path: str
    kind: str
    field: str
    id: str
    once: bool = True
    asked: str = ""


_ID = "([0-9a-f-]{36})"
RULES = (
    Rule("POST", "/api/intake/v1/cases", "intake.case_opened", "case_id", "case_id", asked="*"),
    Rule("POST", "/api/intake/v1/cases", "intake.need_added", "need_id", "needs.need_id"),
    Rule("POST", "/api/intake/v1/cases/[^/]+/needs", "intake.need_added", "need_id", "needs.need_id"),
    Rule("PUT", f"/api/intake/v1/cases/[^/]+/needs/{_ID}", "intake.need_amended", "need_id", "path", once=False),
    Rule("POST", f"/api/intake/v1/cases/[^/]+/needs/{_ID}/cancel", "intake.need_cancelled", "need_id", "path", once=False),
    Rule("POST", f"/api/intake/v1/cases/[^/]+/needs/{_ID}/at-risk", "intake.need_at_risk", "need_id", "path"),
    Rule("POST", "/api/intake/v1/cases/[^/]+/notes", "intake.note_added", "card.id", "note_id", asked="*"),
    Rule("POST", f"/api/intake/v1/cases/{_ID}/close", "intake.case_closed", "case_id", "path", once=False),
    Rule("POST", f"/api/intake/v1/cases/{_ID}/reopen", "intake.case_reopened", "case_id", "path", once=False),
    Rule("POST", f"/api/dispatch/v1/offers/{_ID}/accept", "dispatch.mission_accepted", "offer_id", "path", asked="provider"),
    Rule("POST", f"/api/dispatch/v1/offers/{_ID}/decline", "dispatch.mission_declined", "offer_id", "path", asked="provider"),
    Rule("POST", f"/api/dispatch/v1/missions/{_ID}/reconfirm", "dispatch.mission_reconfirmed", "mission_id", "path", once=False),
    Rule("POST", f"/api/dispatch/v1/missions/{_ID}/give-up", "dispatch.mission_cancelled", "mission_id", "path", once=False),
    Rule("POST", f"/api/dispatch/v1/missions/{_ID}/reassign", "dispatch.mission_cancelled", "mission_id", "path", once=False),
    Rule("POST", f"/api/dispatch/v1/missions/{_ID}/offers", "dispatch.mission_offered", "mission_id", "path", once=False),
    Rule("POST", f"/api/dispatch/v1/missions/{_ID}/assign", "dispatch.mission_accepted", "mission_id", "path", once=False),
    Rule("POST", "/api/tracking/v1/missions/[^/]+/start", "tracking.visit_started", "visit_id", "visit_id"),
    Rule("POST", "/api/tracking/v1/missions/[^/]+/complete", "tracking.prestation_completed", "prestation_id", "prestation_id", asked="*"),
    Rule("POST", "/api/tracking/v1/missions/[^/]+/fail", "tracking.visit_failed", "visit_id", "visit_id"),
    Rule("POST", "/api/tracking/v1/missions/[^/]+/eta", "tracking.eta_changed", "visit_id", "visit_id", once=False),
    Rule("POST", f"/api/tracking/v1/prestations/{_ID}/correct", "tracking.prestation_corrected", "prestation_id", "path", once=False),
    Rule("POST", f"/api/tracking/v1/needs/{_ID}/satisfaction", "tracking.satisfaction_given", "need_id", "path", asked="*"),
    Rule("POST", f"/api/[a-z]+/v1/tasks/{_ID}/close", "common.task_closed", "task_id", "path"),
    Rule("POST", "/api/billing/v1/invoices", "billing.invoice_issued", "invoice_id", "invoice_id", asked="*"),
    Rule("POST", f"/api/billing/v1/bills/{_ID}/approve", "billing.bill_approved", "bill_id", "path"),
    Rule("PUT", f"/api/billing/v1/tariffs/{_ID}", "billing.tariff_changed", "tariff_id", "path", once=False),
)
BY_WHOM = {"provider": ("accepted_by.kind", "declined_by.kind")}


@dataclass(frozen=True, slots=True)
class Command:
    """All tries under one key."""

    method: str
    path: str
    key: str
    outcome: str
    answers: tuple[Any, ...]  # of the tries that succeeded


def read(path: Path) -> list[Entry]:
    with path.open(encoding="utf-8") as lines:
        return [_entry(json.loads(line)) for line in lines if line.strip()]


def _entry(line: dict[str, Any]) -> Entry:
    return Entry(line["actor"], line["method"], line["path"], line["idempotency_key"], line["status"], line["response"], line["outcome"])


def commands(diary: list[Entry]) -> list[Command]:
    tries: dict[tuple[str, str, str, str], list[Entry]] = {}
    for entry in diary:
        if entry.method in COMMANDS and entry.key:
            tries.setdefault((entry.actor, entry.method, entry.path, entry.key), []).append(entry)
    return [_command(*place[1:], entries) for place, entries in tries.items()]


def _command(method: str, path: str, key: str, tries: list[Entry]) -> Command:
    outcomes = {entry.outcome for entry in tries}
    outcome = next(one for one in ("ok", "info", "fail") if one in outcomes)
    return Command(method, path, key, outcome, tuple(entry.response for entry in tries if entry.outcome == "ok"))


def check(diary: list[Entry], log: Log, cases: int | None = None) -> Iterator[Finding]:
    made = commands(diary)
    for rule in RULES:
        yield from _rule(rule, made, log)
    opened = len(list(log.of("intake.case_opened")))
    if cases is not None and opened < cases:
        yield Finding("lost_row", "", f"{cases} cases were to be opened, the log has {opened}")


def _rule(rule: Rule, made: list[Command], log: Log) -> Iterator[Finding]:
    events = list(log.of(rule.kind))
    counts = Counter(event.told(rule.field) for event in events)
    cases = {event.told(rule.field): event.key for event in events}
    promised: set[str] = set()
    possible: set[str] = set()
    unknown = 0
    for command, match in _matching(rule, made):
        answered = [_ids(rule, match, answer) for answer in command.answers]
        if any(ids != answered[0] for ids in answered):
            yield Finding("doubled_line", "", f"key {command.key} of {command.method} {command.path} had two effects: {answered}")
        promised.update(*answered)
        if command.outcome == "info":
            unknown += 1
            possible.update(_ids(rule, match, None))
    for one in promised:
        if not counts[one]:
            yield Finding("lost_row", one, f"{rule.method} {rule.path} was answered with success, the log has no {rule.kind} of {one}")
    for one, number in counts.items():
        if rule.once and number > 1 and one in promised:
            yield Finding("doubled_line", cases[one], f"{number} {rule.kind} of {one}")
    if rule.asked:
        own = {event.told(rule.field) for event in events if _by(event, rule.asked)}
        unasked = sorted(own - promised - possible)
        for one in unasked if rule.id == "path" else unasked[unknown:]:
            yield Finding("doubled_line", cases[one], f"{rule.kind} of {one}, which nobody asked for")


def _matching(rule: Rule, made: list[Command]) -> Iterator[tuple[Command, re.Match[str]]]:
    pattern = re.compile(rule.path)
    for command in made:
        if command.method == rule.method and (match := pattern.fullmatch(command.path)):
            yield command, match


def _ids(rule: Rule, match: re.Match[str], answer: Any) -> list[str]:
    if rule.id == "path":
        return [match.group(1)]
    found: list[Any] = [answer] if isinstance(answer, dict) else []
    for step in rule.id.split("."):
        held = [one[step] for one in found if step in one]
        found = [part for one in held for part in (one if isinstance(one, list) else [one])]
    return [str(one) for one in found if one]


def _by(event: Record, kind: str) -> bool:
    return kind == "*" or any(event.told(field) == kind for field in BY_WHOM[kind])
