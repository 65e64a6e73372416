"""Loading the files of a principal: every row validated, those that changed written and told, in batches. The same file twice does nothing."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

import orjson
from pydantic import BaseModel, ValidationError

from services.kit.clock import new_id
from services.kit.db import Database, Transaction
from services.kit.errors import Invalid
from services.kit.outbox import Lane
from services.reference import emits
from services.reference.domain import names
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.store import feed as store
from services.reference.usecases import files
from services.reference.usecases.rows import ContractRow, GuaranteeRow, MemberRow, PrincipalRow, ProductRow, Row

BATCH = 2_000
LISTED = 1_000  # bad rows that a report names; all are counted

Kind = Literal["principals", "products", "guarantees", "members", "contracts"]
KINDS: tuple[Kind, ...] = get_args(Kind)  # none refers to one that follows it
Content = dict[str, Any]
Save = Callable[[Transaction, list[Content]], Awaitable[set[str] | None]]


@dataclass(frozen=True, slots=True)
class BadRow:
    line: int
    reason: str
    field: str = ""


@dataclass(slots=True)
class Report:
    """`line` counts from 2: line 1 holds the columns."""

    kind: Kind
    rows: int = 0
    changed: int = 0
    bad: int = 0
    problems: list[BadRow] = field(default_factory=list)

    @property
    def unchanged(self) -> int:
        return self.rows - self.changed - self.bad

    def refuse(self, line: int, reason: str, field: str = "") -> None:
        self.bad += 1
        if len(self.problems) < LISTED:
            self.problems.append(BadRow(line, reason, field))


@dataclass(frozen=True, slots=True)
class _Known:
    """What rows refer to."""

    principals: dict[str, str]
    products: dict[str, tuple[str, str]]
    today: date


async def load_csv(db: Database, kind: Kind, file: Path, heard: Callable[[int], None] = lambda _: None) -> Report:
    """Raises `Invalid` for a file that is not of this kind; a bad row stops nothing and is reported.

    `heard` gets how many lines are done, now and then, of twice those of the file: each is read, later written.
    """
    report = Report(kind)
    feed = new_id()
    async with db.transaction() as tx:
        known = _Known(await store.principal_ids(tx.conn), await store.product_principals(tx.conn), _today(tx))
    keys: set[str] = set()
    batch: list[tuple[int, str, bytes, str]] = []
    for line, row in _rows(kind, file, report):
        if row.key in keys:
            report.refuse(line, "duplicate_key")
            continue
        try:
            content = orjson.dumps(_CONTENT[kind](row, known))
        except Invalid as wrong:
            report.refuse(line, wrong.code)
            continue
        keys.add(row.key)
        batch.append((line, row.key, hashlib.blake2b(content, digest_size=16).digest(), content.decode()))
        if len(batch) == 5 * BATCH:
            await _stage(db, feed, batch)
            heard(line)
    await _stage(db, feed, batch)
    try:
        await _write(db, kind, feed, report, heard)
    finally:
        async with db.transaction() as tx:
            await store.clear(tx.conn, feed)
    return report


async def _stage(db: Database, feed: str, batch: list[tuple[int, str, bytes, str]]) -> None:
    if batch:
        async with db.transaction() as tx:
            await store.stage(tx.conn, feed, batch)
        batch.clear()


async def _write(db: Database, kind: Kind, feed: str, report: Report, heard: Callable[[int], None]) -> None:
    line = 1
    products: set[str] = set()
    while True:
        async with db.transaction() as tx:
            rows = await store.changed(tx.conn, kind, feed, line, BATCH)
            if not rows:
                break
            line = rows[-1]["line"]
            contents = [
                row["content"] | {"feed_key": row["key"], "feed_hash": f"\\x{row['hash'].hex()}", "id": row["id"] or new_id()} for row in rows
            ]
            written = await _SAVE[kind](tx, contents)
        for row in rows:
            if written is not None and row["key"] not in written:
                report.refuse(row["line"], "unknown_member", "member")
            else:
                report.changed += 1
        heard(report.rows + line)
        if kind == "guarantees":
            products |= {content["product"] for content in contents}
    if products:
        await _restate_contracts(db, sorted(products))


def _rows(kind: Kind, file: Path, report: Report) -> Iterator[tuple[int, Row]]:
    model = _MODEL[kind]
    with files.opened(file) as table:
        missing = {name for name, of in model.model_fields.items() if of.is_required()} - set(table.columns)
        if missing:
            raise Invalid(f"{kind}: the columns {', '.join(sorted(missing))} are missing", code="missing_columns")
        for line, cells, trouble in table.rows:
            report.rows += 1
            if trouble:
                report.refuse(line, trouble)
                continue
            try:
                yield line, model.model_validate({name: cell for name, cell in zip(table.columns, cells, strict=True) if cell != ""})
            except ValidationError as wrong:
                first = wrong.errors(include_input=False, include_url=False)[0]
                where = ".".join(str(part) for part in first["loc"]) or first["msg"].removeprefix("Value error, ").partition(":")[0]
                report.refuse(line, first["type"], where)


def _principal(row: PrincipalRow, _: _Known) -> Content:
    return _plain(row)


def _product(row: ProductRow, known: _Known) -> Content:
    return {"code": row.code, "label": row.label, "principal_id": _principal_id(row.principal, known)}


def _guarantee(row: GuaranteeRow, known: _Known) -> Content:
    _product_of(row.product, known)
    return _plain(row)


def _member(row: MemberRow, known: _Known) -> Content:
    if row.birth_date and row.birth_date > known.today:
        raise Invalid(code="born_in_the_future")
    derived = {"phones": row.e164, "name_key": names.name_key(row.last_name, row.first_name), "principal_id": _principal_id(row.principal, known)}
    return _plain(row, without="principal") | derived


def _contract(row: ContractRow, known: _Known) -> Content:
    principal_id, principal = _product_of(row.product, known)
    return _plain(row, without="member") | {"principal_id": principal_id, "member_key": f"{principal}/{row.member}"}


def _plain(row: BaseModel, without: str = "") -> Content:
    return row.model_dump(mode="json", exclude={without})


def _principal_id(code: str, known: _Known) -> str:
    if code not in known.principals:
        raise Invalid(code="unknown_principal")
    return known.principals[code]


def _product_of(code: str, known: _Known) -> tuple[str, str]:
    if code not in known.products:
        raise Invalid(code="unknown_product")
    return known.products[code]


async def _save_principals(tx: Transaction, rows: list[Content]) -> None:
    tx.emit(*(emits.principal(row) for row in await store.save_principals(tx.conn, rows)))


async def _save_products(tx: Transaction, rows: list[Content]) -> None:
    await store.save_products(tx.conn, rows)


async def _save_guarantees(tx: Transaction, rows: list[Content]) -> None:
    await store.save_guarantees(tx.conn, rows)


async def _save_members(tx: Transaction, rows: list[Content]) -> None:
    saved = await store.save_members(tx.conn, rows)
    for row in saved:
        if row["open_cases"]:
            tx.card(emits.card(row))
    tx.emit(*map(emits.member, saved), lane=Lane.BULK)


async def _save_contracts(tx: Transaction, rows: list[Content]) -> set[str]:
    saved = await store.save_contracts(tx.conn, rows)
    await _tell_contracts(tx, saved)
    return {row["feed_key"] for row in saved}


async def _tell_contracts(tx: Transaction, rows: list[Content]) -> None:
    products = sorted({row["product"] for row in rows})
    versions = await store.guarantees(tx.conn, products, _today(tx))
    states = {product: [emits.guarantee(row) for row in of] for product, of in versions.items()}
    tx.emit(*(emits.member_contract(row, states.get(row["product"], [])) for row in rows), lane=Lane.BULK)


def _today(tx: Transaction) -> date:
    return tx.now.astimezone(CONTRACT_ZONE).date()


async def _restate_contracts(db: Database, products: list[str]) -> None:
    """A contract's event holds its guarantees: those that changed are told again, contract by contract."""
    after = None
    while True:
        async with db.transaction() as tx:
            rows = await store.restate_contracts(tx.conn, products, after, BATCH)
            if not rows:
                return
            after = rows[-1]["id"]
            await _tell_contracts(tx, rows)


_MODEL: dict[Kind, type[Row]] = {
    "principals": PrincipalRow,
    "products": ProductRow,
    "guarantees": GuaranteeRow,
    "members": MemberRow,
    "contracts": ContractRow,
}
_CONTENT: dict[Kind, Callable[[Any, _Known], Content]] = {
    "principals": _principal,
    "products": _product,
    "guarantees": _guarantee,
    "members": _member,
    "contracts": _contract,
}
_SAVE: dict[Kind, Save] = {
    "principals": _save_principals,
    "products": _save_products,
    "guarantees": _save_guarantees,
    "members": _save_members,
    "contracts": _save_contracts,
}
