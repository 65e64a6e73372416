"""The desk's cases and tasks, the provider's visit, the principal's board. They call the same use cases as the API."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from contracts import reasons
from contracts.common import Id
from services.kit import places
from services.kit.auth import DESK, STAFF, Caller, allow
from services.kit.bounds import Position, Version, typed_quantity, typed_version
from services.kit.db import Transaction
from services.kit.errors import NotFound, Refusal
from services.kit.idempotency import Command, CommandDependency
from services.kit.web import filters, forms, pages
from services.tracking.domain.visit import Line, Visit
from services.tracking.store import cards, cases, tasks, visits
from services.tracking.store.cases import Filter
from services.tracking.usecases import read, work
from services.tracking.usecases import tasks as task_usecases
from services.tracking.usecases.search import Sort, following, narrowed, own, place, plain
from services.tracking.usecases.work import speaks_for

router = APIRouter(include_in_schema=False)
templates = pages.templates(Path(__file__).parent)

AtDesk = Annotated[Caller, allow("tracking:read", *STAFF)]
Agent = Annotated[Caller, allow("tracking:write", *DESK)]
Provider = Annotated[Caller, allow("tracking:read", "provider", "provider_admin")]
AtWork = Annotated[Caller, allow("tracking:write", "provider", "provider_admin")]
Cmd = Annotated[Command, CommandDependency]
Principal = Annotated[Caller, allow("tracking:read", "principal", "principal_approver")]

PAGE = 50
THREAD = 200
FILTERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("Tous", {}),
    ("À traiter", {"waiting_for": "agent"}),
    ("Chez un prestataire", {"waiting_for": "provider"}),
    ("Clos", {"state": "closed"}),
)
ROLES = {"agent": "chargé d’assistance", "supervisor": "superviseur", "finance": "finance"}


@router.get("/desk/cases")
async def list_cases(
    request: Request,
    caller: AtDesk,
    q: str | None = None,
    state: str | None = None,
    waiting_for: str | None = None,
    service: str | None = None,
    principal_id: Id | None = None,
    after: str | None = None,
) -> Response:
    """One hit of a search opens it."""
    wanted = narrowed(q, state=state, waiting_for=waiting_for, principal_id=principal_id, service=service)
    sort: Sort = "next" if waiting_for else "opened"
    async with request.app.state.db.transaction() as tx:
        rows = await cases.listing(tx.conn, wanted, sort, place(after), PAGE)
        total = await cases.count(tx.conn, wanted)
        names = await cards.names(tx.conn, [row["case_id"] for row in rows])
        labels = await cards.labels(tx.conn, {row["principal_id"] for row in rows if row["principal_id"]})
        waiting = await tasks.count_open(tx.conn)
    if q and total == 1:
        return Response(status_code=303, headers={"Location": f"/desk/cases/{rows[0]['case_id']}"})
    chosen = {"q": q, "state": state, "waiting_for": waiting_for, "service": service, "principal_id": principal_id}
    chosen = {name: value for name, value in chosen.items() if value}
    more = following(rows, sort, PAGE)
    chips = [name for name in ("q", "service") if name in chosen]
    return _render(
        request, caller, "cases.html", tx.now, active="cases", waiting=waiting, cases=rows, total=total, names=names, labels=labels,
        here=_at("/desk/cases", chosen | ({"after": after} if after else {})),
        following=more and _at("/desk/cases", chosen | {"after": more}),
        chips=[(chosen[name], _at("/desk/cases", {k: v for k, v in chosen.items() if k != name})) for name in chips],
        filters=[(templates.words(request).gettext(word), _at("/desk/cases", query), query == chosen) for word, query in FILTERS],
        places=places.name,
    )  # fmt: skip


@router.get("/desk/cases/{key}")
async def show_case(key: str, request: Request, caller: AtDesk, after: Position = None) -> Response:
    """All of one case, live. The parts that other services own are slots."""
    case = await read.case(request.app.state.db, request.app.state.hub, caller, plain(key), after)
    case = {"number": None, "labels": {}, "person": None, "anomalies": [], "waiting_for": None, "last_event_at": None, "principal_id": None} | case
    async with request.app.state.db.transaction() as tx:
        thread = await cases.timeline(tx.conn, case["case_id"], None, THREAD)
        open_tasks = await tasks.listing(tx.conn, role=None, is_open=True, case_id=case["case_id"], after=None, limit=20)
        said = [one["data"]["card"]["id"] for one in thread if one["type"].startswith("intake.note_added.") and one["data"]]
        notes = await cards.get(tx.conn, "note", said)
        waiting = await tasks.count_open(tx.conn)
    shown = next((need for need in case["needs"] if need["sentence"] == case["sentence"]), None)
    return _render(
        request, caller, "case_live.html" if pages.part(request) else "case.html", tx.now, active="cases", waiting=waiting,
        zone=shown["place"]["zone"] if shown else "Europe/Paris",
        case=case, shown=shown, others=[need for need in case["needs"] if need is not shown], thread=thread, tasks=open_tasks, oob=False,
        notes={note_id: content["text"] for note_id, content in notes.items() if content},
        ranks={need["need_id"]: need["rank"] for need in case["needs"]},
        steps=lambda need: _steps(request, need), after=f"&{urlencode({'after': after})}" if case["recording"] and after else "",
    )  # fmt: skip


@router.get("/pages/tracking/member-cases")
async def member_cases(request: Request, caller: AtDesk, member_id: Id) -> Response:
    """For the call page: the caller's latest cases, the open ones first."""
    async with request.app.state.db.transaction() as tx:
        rows = await cases.listing(tx.conn, Filter(member_id=member_id), "opened", None, 10)
    rows.sort(key=lambda row: row["waiting_for"] is None)
    here = _at("/pages/tracking/member-cases", {"part": "1", "member_id": member_id})
    return _render(request, caller, "member_cases.html", tx.now, cases=rows, here=here)


@router.get("/desk/tasks")
async def list_tasks(request: Request, caller: AtDesk) -> Response:
    return await _tasks(request, caller)


@router.post("/desk/tasks/{task_id}/take")
async def take_task(task_id: Id, request: Request, caller: Agent, command: Cmd) -> Response:
    version = forms.posted(await request.form()).version
    return await _on_task(request, caller, command, lambda tx: task_usecases.take(tx, task_id, caller.id, typed_version(version)))


@router.post("/desk/tasks/{task_id}/release")
async def release_task(task_id: Id, request: Request, caller: Agent, command: Cmd) -> Response:
    version = forms.posted(await request.form()).version
    return await _on_task(request, caller, command, lambda tx: task_usecases.release(tx, task_id, caller.id, typed_version(version)))


@router.post("/desk/tasks/{task_id}/close")
async def close_task(task_id: Id, request: Request, caller: Agent, command: Cmd) -> Response:
    outcome = forms.posted(await request.form()).values.get("outcome", "")
    return await _on_task(request, caller, command, lambda tx: task_usecases.close(tx, task_id, outcome, caller.actor))


@router.get("/extranet/visits/{mission_id}")
async def show_visit(mission_id: Id, request: Request, caller: Provider, seen: Version | None = None) -> Response:
    """Nothing for a live page that has seen this version: what is being typed there stays."""
    return await _visit(request, caller, mission_id, seen=seen)


@router.post("/extranet/visits/{mission_id}/start")
async def start_visit(mission_id: Id, request: Request, caller: AtWork, command: Cmd) -> Response:
    version = forms.posted(await request.form()).version
    return await _on_visit(
        request, caller, command, mission_id, lambda tx: work.start(tx, mission_id, speaks_for(caller), caller.actor, typed_version(version))
    )


@router.post("/extranet/visits/{mission_id}/complete")
async def complete_visit(mission_id: Id, request: Request, caller: AtWork, command: Cmd) -> Response:
    """A quantity per article; those left empty were not done."""
    sent = forms.posted(await request.form())

    async def act(tx: Transaction) -> Visit:
        lines = _lines(sent.values)
        return await work.complete(tx, mission_id, speaks_for(caller), lines, None, None, caller.actor, typed_version(sent.version))

    return await _on_visit(request, caller, command, mission_id, act, sent.values)


@router.post("/extranet/visits/{mission_id}/fail")
async def fail_visit(mission_id: Id, request: Request, caller: AtWork, command: Cmd) -> Response:
    sent = forms.posted(await request.form())
    why = sent.values.get("reason", "")
    return await _on_visit(
        request, caller, command, mission_id, lambda tx: work.fail(tx, mission_id, speaks_for(caller), why, caller.actor, typed_version(sent.version))
    )


@router.get("/board")
async def board(request: Request, caller: Principal, state: str | None = None, after: str | None = None) -> Response:
    """A principal's own cases, live."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        counts = await cases.counts(tx.conn, own(caller, Filter()))
        rows = await cases.listing(tx.conn, own(caller, Filter(state=state)), "opened", place(after), PAGE)
    more = following(rows, "opened", PAGE)
    chosen = {"state": state} if state else {}
    return _render(
        request, caller, "board.html", tx.now, active="board", cases=rows, states=sorted(counts.items()), total=sum(counts.values()), chosen=state,
        here=_at("/board", chosen | ({"after": after} if after else {})),
        following=more and _at("/board", chosen | {"after": more}), places=places.name,
    )  # fmt: skip


async def _on_task(request: Request, caller: Caller, command: Cmd, act: Callable[[Transaction], Awaitable[object]]) -> Response:
    """A refusal shows above the list, as it is now."""

    async def action(tx: Transaction) -> Response:
        await act(tx)
        return Response(status_code=303, headers={"Location": "/desk/tasks"})

    try:
        done = await command.run(action)
    except Refusal as refusal:
        return await _tasks(request, caller, refusal)
    return await _tasks(request, caller) if pages.part(request) else done


async def _tasks(request: Request, caller: Caller, refusal: Refusal | None = None) -> Response:
    async with request.app.state.db.transaction() as tx:
        rows = await tasks.listing(tx.conn, role=None, is_open=True, case_id=None, after=None, limit=PAGE)
        waiting = await tasks.count_open(tx.conn)
    name = "tasks_list.html" if pages.part(request) else "tasks.html"
    roles = {role: templates.words(request).gettext(word) for role, word in ROLES.items()}
    return _render(request, caller, name, tx.now, refusal, active="tasks", waiting=waiting, tasks=rows, roles=roles)


async def _on_visit(
    request: Request,
    caller: Caller,
    command: Cmd,
    mission_id: str,
    act: Callable[[Transaction], Awaitable[object]],
    typed: dict[str, str] | None = None,
) -> Response:
    """A refusal shows on the visit, as it is now; what was typed is kept."""

    async def action(tx: Transaction) -> Response:
        await act(tx)
        return Response(status_code=303, headers={"Location": f"/extranet/missions/{mission_id}"})

    try:
        done = await command.run(action)
    except NotFound:
        raise
    except Refusal as refusal:
        return await _visit(request, caller, mission_id, refusal, typed)
    return await _visit(request, caller, mission_id) if pages.part(request) else done


async def _visit(
    request: Request,
    caller: Caller,
    mission_id: str,
    refusal: Refusal | None = None,
    typed: dict[str, str] | None = None,
    seen: int | None = None,
) -> Response:
    async with request.app.state.db.transaction(caller.tenant) as tx:
        visit = await visits.of_mission(tx.conn, mission_id, speaks_for(caller))
        articles = await cards.articles(tx.conn, visit.service) if visit else []
    if visit is None:
        if pages.part(request):  # the acceptance was a moment ago
            return _render(request, caller, "visit_soon.html", tx.now, at=f"/extranet/visits/{mission_id}")
        raise NotFound("no such visit")
    if seen == visit.version:
        return Response(status_code=204)
    failures = [(code, _text(request)(code)) for code in reasons.VISIT_FAILED if code != "need_cancelled"]
    name = "visit.html" if pages.part(request) else "visit_page.html"
    return _render(request, caller, name, tx.now, refusal, active="missions", visit=visit, articles=articles, typed=typed or {}, failures=failures)


def _lines(typed: dict[str, str]) -> tuple[Line, ...]:
    """Raises `Invalid` for what is no number."""
    lines = []
    for name, value in typed.items():
        kind, _, rest = name.partition(":")
        article, _, unit = rest.partition(":")
        if kind == "q" and value:
            lines.append(Line(article, unit, typed_quantity(value)))
    return tuple(lines)


def _steps(request: Request, need: dict[str, Any]) -> Iterable[tuple[str, str, str]]:
    """A ladder as the macro takes it."""
    lang = templates.words(request).lang
    for step in need["ladder"]:
        at = step["at"]
        yield step["state"], step["status"], filters.daytime(at, lang, need["place"]["zone"]) if at else ""


def _text(request: Request) -> Callable[[str], str]:
    lang: Literal["fr", "en"] = "fr" if templates.words(request).lang == "fr" else "en"
    return lambda code: reasons.text(code, lang)


def _render(
    request: Request, caller: Caller, name: str, now: datetime, refusal: Refusal | None = None, active: str = "", waiting: int = 0, **context: Any
) -> Response:
    return templates.render(
        request,
        name,
        now=now,
        caller=caller,
        csrf=caller.csrf or "",
        active=active,
        counts={"tasks": waiting},
        status=refusal.status if refusal else 200,
        refusal=refusal and (refusal.detail or refusal.title),
        reason=_text(request),
        **context,
    )


def _at(path: str, query: dict[str, Any]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
