"""From the row of a file to what is stored: what it refers to is known, what follows from it is added. And back, for whoever mends it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import ValidationError

from services.kit.db import Transaction
from services.kit.errors import Invalid
from services.reference.domain import names, statements
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.store import feed as store
from services.reference.usecases.mapping import MODELS, Kind
from services.reference.usecases.rows import BeneficiaryRow, ContractRow, GuaranteeRow, MemberRow, PrincipalRow, ProductRow, Row, StatementRow

Content = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """What rows refer to: ids by principal's code, id and code of the principal by product."""

    principals: dict[str, str]
    products: dict[str, tuple[str, str]]
    today: date


class BadRow(Exception):
    """Why a row is not taken: a code, and the field that it is about, where it is about one."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason, field)
        self.reason = reason
        self.field = field


async def known(tx: Transaction) -> Known:
    today = tx.now.astimezone(CONTRACT_ZONE).date()
    return Known(await store.principal_ids(tx.conn), await store.product_principals(tx.conn), today)


def taken(kind: Kind, fields: Mapping[str, str], known: Known) -> tuple[str, Content]:
    """The row's key and what is stored of it. `fields`: as text, empty ones left out. Raises `BadRow`."""
    try:
        row = MODELS[kind].model_validate(fields)
        return row.key, _CONTENT[kind](row, known)
    except ValidationError as wrong:
        first = wrong.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or first["msg"].removeprefix("Value error, ").partition(":")[0]
        raise BadRow(first["type"], where) from None
    except Invalid as wrong:
        raise BadRow(wrong.code) from None


def fields(kind: Kind, key: str, content: Content) -> dict[str, str]:
    """The text of a row that was taken."""
    row = content | ({"principal": key.partition("/")[0]} if kind in ("members", "products", "statements") else {})
    if kind in ("contracts", "beneficiaries", "statements"):
        row["member"] = content["member_key"].partition("/")[2]
    found = {name: row[name] for name in MODELS[kind].model_fields if row.get(name) not in (None, "", [])}
    return {name: "|".join(value) if isinstance(value, list) else str(value) for name, value in found.items()}


def _principal(row: PrincipalRow, _: Known) -> Content:
    return _plain(row)


def _product(row: ProductRow, known: Known) -> Content:
    return {"code": row.code, "label": row.label, "principal_id": _principal_id(row.principal, known)}


def _guarantee(row: GuaranteeRow, known: Known) -> Content:
    _product_of(row.product, known)
    return _plain(row)


def _member(row: MemberRow, known: Known) -> Content:
    if row.birth_date and row.birth_date > known.today:
        raise Invalid(code="born_in_the_future")
    derived = {"phones": row.e164, "name_key": names.name_key(row.last_name, row.first_name), "principal_id": _principal_id(row.principal, known)}
    return _plain(row, "principal") | derived


def _contract(row: ContractRow, known: Known) -> Content:
    principal_id, principal = _product_of(row.product, known)
    return _plain(row, "member") | {"principal_id": principal_id, "member_key": f"{principal}/{row.member}"}


def _beneficiary(row: BeneficiaryRow, known: Known) -> Content:
    principal_id, principal = _product_of(row.product, known)
    derived = {"principal_id": principal_id, "contract_key": f"{row.product}/{row.contract}", "member_key": f"{principal}/{row.member}"}
    return _plain(row, "member") | derived


def _statement(row: StatementRow, known: Known) -> Content:
    if row.issued_on > known.today:
        raise Invalid(code="issued_in_the_future")
    if row.paid_on and row.paid_on > known.today:
        raise Invalid(code="paid_in_the_future")
    days = [day for day in (row.issued_on, row.due_on, row.paid_on) if day]
    amounts = [row.paid_gross_cents, row.pending_gross_cents]
    derived = {
        "principal_id": _principal_id(row.principal, known),
        "member_key": f"{row.principal}/{row.member}",
        "search_key": statements.search_key(row.label, row.reference, row.contract or "", days, amounts),
    }
    return _plain(row, "principal", "member") | derived


def _plain(row: Row, *without: str) -> Content:
    return row.model_dump(mode="json", exclude={*without}, exclude_none=True)  # a field that is new one day changes no row that lacks it


def _principal_id(code: str, known: Known) -> str:
    if code not in known.principals:
        raise Invalid(code="unknown_principal")
    return known.principals[code]


def _product_of(code: str, known: Known) -> tuple[str, str]:
    if code not in known.products:
        raise Invalid(code="unknown_product")
    return known.products[code]


_CONTENT: dict[Kind, Callable[[Any, Known], Content]] = {
    "principals": _principal,
    "products": _product,
    "guarantees": _guarantee,
    "members": _member,
    "contracts": _contract,
    "beneficiaries": _beneficiary,
    "statements": _statement,
}
