"""Telling of what files have changed, apart from storing it: each of these events says all there is, so that only the last one counts, and
a million rows are stored without waiting for as many events. Contracts hold the guarantees of their product, and are told of again when
those change."""

from services.kit.db import Database, Transaction
from services.kit.outbox import Lane
from services.reference import emits
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.store import feed, telling
from services.reference.usecases import proposals

BATCH = 250  # some 10 ms of a worker that also decides about live needs


async def some(db: Database) -> int:
    """How many were told of, or found to be told of; 0 when there are none, or others work on the last ones."""
    async with db.connection() as conn:
        if not await telling.waits(conn):
            return 0
    async with db.transaction() as tx:
        members = await telling.members(tx.conn, BATCH)
        contracts = await telling.contracts(tx.conn, BATCH)
        if not members and not contracts:
            return await feed.restated(tx.conn, BATCH)
        today = tx.now.astimezone(CONTRACT_ZONE).date()
        versions = await feed.guarantees(tx.conn, sorted({row["product"] for row in contracts}), today)
        states = {product: [emits.guarantee(row) for row in of] for product, of in versions.items()}
        tx.emit(*map(emits.member, members), lane=Lane.BULK)
        if members:
            await proposals.look(tx, [row["id"] for row in members])
        tx.emit(*(emits.member_contract(row, states.get(row["product"], [])) for row in contracts), lane=Lane.BULK)
    return len(members) + len(contracts)


async def restate(tx: Transaction, key: str) -> None:
    """A deadline's: the day has come from which a guarantee is another. `key`: product/code/day."""
    await feed.restate(tx.conn, [key.partition("/")[0]])


async def all_of_it(db: Database) -> int:
    """How many there were."""
    told = 0
    while count := await some(db):
        told += count
    return told
