"""Principals and products over HTTP."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Request

from services.kit.app import PROBLEMS
from services.kit.auth import STAFF, Caller, allow
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.store import catalog

router = APIRouter(prefix="/api/reference/v1", tags=["catalogue"], responses=PROBLEMS)

Reader = Annotated[Caller, allow("reference:read")]
Principal = Annotated[Caller, allow("reference:read", *STAFF, "principal", "principal_approver")]


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


def _exact(row: Mapping[str, Any]) -> dict[str, Any]:
    """Decimals travel as plain digits."""
    return {name: format(value, "f") if isinstance(value, Decimal) else value for name, value in row.items()}
