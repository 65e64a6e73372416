"""What each service holds of a need against the checker's own fold; and what the view itself says could not happen."""

from collections.abc import Iterator

from tests.checker.fold import FINAL, Case, Need
from tests.checker.inputs import Doors, Finding, Log, Tables

ALIVE = frozenset({"open", "covered", "offered", "unfilled", "accepted", "scheduled", "in_progress", "failed"})
# What an owner calls a need -> the states that it may be in, once it is at rest.
INTAKE = {"open": ALIVE, "refused": {"refused"}, "cancelled": {"cancelled"}, "performed": {"performed"}}
REFERENCE = {"granted": ALIVE, "refused": FINAL | ALIVE, "lost": FINAL | ALIVE, "released": FINAL | ALIVE, "consumed": {"performed"}}
DISPATCH = {
    "waiting": ALIVE | {"refused"},
    "searching": ALIVE,
    "offered": {"offered"},
    "unfilled": {"unfilled", "failed"},
    "accepted": {"accepted", "scheduled", "failed"},
    "started": {"in_progress"},
    "done": {"performed"},
    "cancelled": {"cancelled"},
}  # fmt: skip
VISIT = {"scheduled": {"scheduled"}, "in_progress": {"in_progress"}, "done": {"performed"}, "failed": ALIVE | FINAL, "cancelled": ALIVE | FINAL}
OWNERS = (("intake", "needs", "id", "status", INTAKE), ("reference", "covers", "id", "status", REFERENCE),
          ("dispatch", "missions", "need_id", "status", DISPATCH), ("tracking", "visits", "need_id", "state", VISIT))  # fmt: skip


def check(log: Log, tables: Tables, doors: Doors, cases: dict[str, Case]) -> Iterator[Finding]:
    needs = {need.id: need for case in cases.values() for need in case.needs.values()}
    for service, query, field, word, table in OWNERS:
        for row in tables.of(service, query):
            need = needs.get(row[field])
            if need and need.state not in table.get(row[word], set()):
                yield Finding("stale_view", need.case, f"{service} {query} calls need {need.id} {row[word]}, the log makes it {need.state}")
    yield from _view(tables, cases, needs)
    yield from _offers(tables, needs)
    for name in ("anomalies", "not_understood"):
        told, held = doors.totals.get(name, 0), sum(row[name] for row in tables.of("tracking", "cases"))
        if told != held:
            yield Finding("stale_view", "", f"the desk counts {told} {name}, the view holds {held}")
    for need in needs.values():
        for clash in need.clashes:
            yield Finding("doubled_line", need.case, f"acceptance {clash}: need {need.id} had a provider already, or the offer was over")
    for event in log.of("tracking.prestation_completed"):
        done = needs.get(event.body["need_id"])
        if done is None or done.state != "performed":
            yield Finding("anomaly", event.key, f"prestation {event.body['prestation_id']} of a need that the log does not make performed")


def _view(tables: Tables, cases: dict[str, Case], needs: dict[str, Need]) -> Iterator[Finding]:
    for row in tables.of("tracking", "cases"):
        for name in ("anomalies", "not_understood"):
            if row[name]:
                yield Finding("anomaly", row["id"], f"the view tells {row[name]} {name} of case {row['id']}")
        case = cases.get(row["id"])
        if case and (row["state"], row["events"]) != (case.word, case.events):
            yield Finding("stale_view", case.id, f"view: {row['state']} after {row['events']} events, the log: {case.word} after {case.events}")
    for row in tables.of("tracking", "needs"):
        need = needs.get(row["id"])
        if need and row["state"] != need.state:
            yield Finding("stale_view", need.case, f"the view calls need {need.id} {row['state']}, the log makes it {need.state}")
        if need and need.state in ALIVE and not row["waiting_for"]:
            yield Finding("stale_view", need.case, f"need {need.id} is {need.state} and waits for nobody")
        if need and need.state in ("accepted", "scheduled", "in_progress", "performed") and need.holder and row["provider_id"] != need.holder[1]:
            yield Finding("stale_view", need.case, f"the view gives need {need.id} to {row['provider_id']}, the log to {need.holder[1]}")


def _offers(tables: Tables, needs: dict[str, Need]) -> Iterator[Finding]:
    held: dict[str, int] = {}
    for row in tables.of("dispatch", "offers"):
        need = needs.get(row["need_id"])
        told = need.offers.get(row["id"]) if need else None
        if need and told and row["status"] != told.status and not {row["status"], told.status} <= {"accepted", "taken_back"}:
            yield Finding("stale_view", need.case, f"dispatch calls offer {row['id']} {row['status']}, the log makes it {told.status}")
        if row["status"] == "accepted":
            held[row["mission_id"]] = held.get(row["mission_id"], 0) + 1
            if held[row["mission_id"]] > 1:
                yield Finding("doubled_line", row["case_id"], f"{held[row['mission_id']]} offers of mission {row['mission_id']} are accepted")
