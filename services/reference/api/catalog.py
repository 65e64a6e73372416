"""Principals with their terms, products and guarantees over HTTP: as they are, as they were, and set by hand."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from contracts.common import Code
from services.kit.app import PROBLEMS
from services.kit.auth import STAFF, Caller, allow
from services.kit.bounds import Limit
from services.kit.db import Transaction
from services.kit.errors import NotFound
from services.kit.idempotency import Command, CommandDependency
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.store import catalog
from services.reference.usecases import catalogue

router = APIRouter(prefix="/api/reference/v1", tags=["catalogue"], responses=PROBLEMS)

Reader = Annotated[Caller, allow("reference:read")]
Principal = Annotated[Caller, allow("reference:read", *STAFF, "principal", "principal_approver")]
Staff = Annotated[Caller, allow("reference:read", *STAFF)]
Admin = Annotated[Caller, allow("reference:write", "admin")]
Cmd = Annotated[Command, CommandDependency]
Set = Literal["principals", "products", "guarantees"]


class Cells(BaseModel):
    """One row as a file would have it: our fields as text, lists separated by `|`, amounts in cents, rates as fractions."""

    cells: dict[Code, Annotated[str, Field(max_length=2000)]] = Field(max_length=40)


class Key(BaseModel):
    key: str


@router.get("/principals")
async def list_principals(caller: Principal, request: Request) -> dict[str, Any]:
    """Those the caller may see, with the terms in force today."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = await catalog.principals(tx.conn, tx.now.astimezone(CONTRACT_ZONE).date())
    return {"principals": [_exact(row) for row in rows]}


@router.get("/products")
async def list_products(caller: Reader, request: Request) -> dict[str, Any]:
    """With the guarantees in force today."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = await catalog.products(tx.conn, tx.now.astimezone(CONTRACT_ZONE).date())
    return {"products": [row | {"guarantees": [_exact(guarantee) for guarantee in row["guarantees"]]} for row in rows]}


@router.get("/principals/{code}/terms")
async def list_terms(code: Code, caller: Staff, request: Request) -> dict[str, Any]:
    """Every version of a principal's terms, the newest first, those of days to come included."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = await catalog.terms(tx.conn, code)
    if not rows:
        raise NotFound("no such principal")
    return {"terms": [_exact(row) for row in rows]}


@router.get("/products/{code}/guarantees")
async def list_guarantees(code: Code, caller: Staff, request: Request) -> dict[str, Any]:
    """Every version of a product's guarantees, the newest first, those of days to come included."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = await catalog.versions(tx.conn, code) if await catalog.product(tx.conn, code) else None
    if rows is None:
        raise NotFound("no such product")
    return {"guarantees": [_exact(row) for row in rows]}


@router.get("/catalogue/{kind}/{code}/changes")
async def list_changes(kind: Set, code: Code, caller: Staff, request: Request, limit: Limit = 50) -> dict[str, Any]:
    """What was set for this principal or product, the latest first: when, by whom (none: by a file), and to what."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        return {"changes": await catalog.changes(tx.conn, kind, code, limit)}


@router.put("/catalogue/{kind}", response_model=Key)
async def put_row(kind: Set, body: Cells, caller: Admin, command: Cmd) -> Response:
    """Sets a principal's terms or a guarantee from their `valid_from` on, or a product. What is in the past is not decided again. 422 names
    the field that is wrong."""

    async def action(tx: Transaction) -> Key:
        return Key(key=await catalogue.put(tx, kind, body.cells, caller.id))

    return await command.run(action)


def _exact(row: Mapping[str, Any]) -> dict[str, Any]:
    """Decimals travel as plain digits."""
    return {name: format(value, "f") if isinstance(value, Decimal) else value for name, value in row.items()}
