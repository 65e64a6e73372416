"""The catalogue at an administrator's: principals with their terms, products with their guarantees, each version from its day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response

from contracts import reasons
from contracts.common import Code
from services.kit.auth import Caller, allow
from services.kit.bounds import typed_quantity
from services.kit.db import Transaction
from services.kit.errors import Invalid, NotFound
from services.kit.idempotency import Command, CommandDependency
from services.kit.web import forms, pages
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.store import catalog
from services.reference.usecases import catalogue
from services.reference.usecases.catalogue import Refused
from services.reference.usecases.mapping import MODELS

router = APIRouter(prefix="/admin/catalogue", include_in_schema=False)
templates = pages.templates(Path(__file__).parents[1])

Reader = Annotated[Caller, allow("reference:read", "admin")]
Writer = Annotated[Caller, allow("reference:write", "admin")]
Cmd = Annotated[Command, CommandDependency]
Kind = Literal["principals", "products", "guarantees"]

EUROS, PERCENT, LISTS = "euros", "percent", "list"
WRITTEN = {  # how people write a field; any other as the file has it
    "fee_net_cents": EUROS, "at_risk_limit_cents": EUROS, "approval_above_cents": EUROS, "cap_gross_cents": EUROS,
    "cap_gross_cents_per_year": EUROS,
    "markup_rate": PERCENT, "vat_rate": PERCENT, "member_rate": PERCENT,
    "services": LISTS, "area": LISTS, "excluded": LISTS,
}  # fmt: skip
HUNDRED = Decimal(100)
CHANGES = 10


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is shown beside the list: a principal or a product, or nothing yet."""

    kind: Literal["principals", "guarantees"] | None = None
    code: str = ""


@router.get("")
async def show(request: Request, caller: Reader) -> Response:
    return await _shown(request, caller, Chosen())


@router.get("/principals/{code}")
async def show_principal(code: Code, request: Request, caller: Reader) -> Response:
    return await _shown(request, caller, Chosen("principals", code))


@router.get("/products/{code}")
async def show_product(code: Code, request: Request, caller: Reader) -> Response:
    return await _shown(request, caller, Chosen("guarantees", code))


@router.post("/{kind}")
async def put(kind: Kind, request: Request, caller: Writer, command: Cmd) -> Response:
    """Sets a row. What was typed comes back with what is wrong with it."""
    sent = await request.form()
    typed = forms.posted(sent).values | {name: "|".join(map(str, sent.getlist(name))) for name in ("services",) if name in sent}

    async def action(tx: Transaction) -> Response:
        await catalogue.put(tx, kind, {name: _read(name, value) for name, value in typed.items()}, caller.id)
        return Response(status_code=303, headers={"Location": _at(kind, typed)})

    try:
        return await command.run(action)
    except Refused as refused:
        code = typed.get("product" if kind == "guarantees" else "code", "")
        chosen = Chosen("guarantees", code) if kind == "guarantees" else Chosen("principals", code) if kind == "principals" else Chosen()
        return await _shown(request, caller, chosen, kind, typed, refused)


async def _shown(
    request: Request, caller: Caller, chosen: Chosen, kind: Kind | None = None, typed: Mapping[str, str] | None = None, refused: Refused | None = None
) -> Response:
    async with request.app.state.db.transaction() as tx:
        today = tx.now.astimezone(CONTRACT_ZONE).date()
        everything = await catalog.everything(tx.conn)
        versions = await _versions(tx, chosen)
        product = await catalog.product(tx.conn, chosen.code) if chosen.kind == "guarantees" else None
        changes = await catalog.changes(tx.conn, chosen.kind, chosen.code, CHANGES) if chosen.kind else []
    if chosen.kind and not refused and not (versions or product):
        raise NotFound("no such principal or product")
    lang = "en" if templates.words(request).lang == "en" else "fr"
    return templates.render(
        request, "catalogue.html", now=tx.now, caller=caller, csrf=caller.csrf or "", active="catalogue", status=refused.status if refused else 200,
        today=today, everything=everything, chosen=chosen, product=product, groups=_groups(versions, chosen, today), changes=changes,
        kind_typed=kind, typed=typed or {}, refused=refused, written=_written, fields=_fields,
        again=lambda version: {name: _written(name, value) for name, value in version.items()} | {"valid_from": today.isoformat()},
        services=[(code, texts[lang == "en"]) for code, texts in reasons.SERVICES.items()],
    )  # fmt: skip


async def _versions(tx: Transaction, chosen: Chosen) -> list[dict[str, Any]]:
    if chosen.kind == "principals":
        return await catalog.terms(tx.conn, chosen.code)
    return await catalog.versions(tx.conn, chosen.code) if chosen.kind else []


def _groups(versions: list[dict[str, Any]], chosen: Chosen, today: date) -> list[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """By code, each version with what it is today: coming, current or past."""
    groups: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for version in versions:
        group = groups.setdefault(version["code"], [])
        current = any(state == "current" for state, _ in group)
        group.append(("coming" if version["valid_from"] > today else "past" if current else "current", version))
    return list(groups.items())


def _fields(kind: Kind) -> list[str]:
    return [name for name in MODELS[kind].model_fields if name not in ("product", "principal")]


def _at(kind: Kind, typed: Mapping[str, str]) -> str:
    if kind == "principals":
        return f"/admin/catalogue/principals/{typed['code']}"
    return f"/admin/catalogue/products/{typed['product' if kind == 'guarantees' else 'code']}"


def _read(name: str, typed: str) -> str:
    """As a file would have it; what is no number is left for the row's own check to refuse."""
    how = WRITTEN.get(name)
    if how == LISTS:
        return "|".join(part for part in typed.replace(",", "|").replace(" ", "|").split("|") if part)
    if how is None or not typed:
        return typed
    try:
        number = typed_quantity("".join(typed.replace("€", "").replace("%", "").split()))
    except Invalid:
        return typed
    return format((number * HUNDRED if how == EUROS else number / HUNDRED).normalize(), "f")


def _written(name: str, value: Any) -> str:
    """As people write it."""
    how = WRITTEN.get(name)
    if value is None or value is False:
        return ""
    if value is True:
        return "true"
    if how == EUROS:
        return format(value / HUNDRED, ".2f").replace(".", ",")
    if how == PERCENT:
        return format((value * HUNDRED).normalize(), "f").replace(".", ",")
    if how == LISTS:
        return " ".join(value)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f").replace(".", ",")
    return str(value)
