"""Bulk waits for live, and no lane overtakes the other within a key."""

import asyncpg

from services.kit.clock import new_id
from services.kit.outbox import Lane
from tests.conftest import eventually
from tests.kit.harness import TYPE, Lab, call, running

ROWS = 200_000
REST = "-0000-0000-0000-000000000000"
COUNTERS = f"insert into kit.counter (topic, key, last) select 'cases', lpad(n::text, 8, '0') || '{REST}', 1 from generate_series(1, $1) n"
OUTBOX = f"""
with added as (
insert into kit.outbox (aggregatetype, aggregateid, seq, type, event_id, payload, correlation_id, causation_id, traceparent, at)
select 'cases', lpad(n::text, 8, '0') || '{REST}', 1, $2, gen_random_uuid(), $3, gen_random_uuid(), gen_random_uuid(), '00', now()
from generate_series(1, $1) n
returning id, aggregatetype, aggregateid)
insert into kit.unsent (lane, id, topic, key) select 1, * from added
"""


async def fill(lab: Lab) -> None:
    """What a daily feed leaves: two hundred thousand keys with a bulk row each."""
    owner = await asyncpg.connect(lab.sender.owner_url)  # whose statements may take their time
    await owner.execute(COUNTERS, ROWS)
    await owner.execute(OUTBOX, ROWS, TYPE, call(new_id()).model_dump_json().encode())
    await owner.close()


async def bulk_waiting(lab: Lab) -> int:
    waiting: int = await lab.sender.value("select count(*) from kit.unsent where lane = 1")
    return waiting


async def live_published(lab: Lab) -> bool:
    done: bool = await lab.sender.value("select count(*) = 0 from kit.unsent where lane = 0")
    return done


async def test_100_live_rows_pass_200000_bulk_rows_but_never_one_of_their_own_key(fresh_lab: Lab) -> None:
    lab = fresh_lab
    await fill(lab)
    strangers = [new_id() for _ in range(50)]
    own = [f"{ROWS - n:08}{REST}" for n in range(50)]  # their bulk rows are the last in the lane
    async with running(lab.sender.relay(Lane.LIVE).run(), lab.sender.relay(Lane.BULK).run()):

        async def begun() -> bool:
            return await bulk_waiting(lab) < ROWS

        await eventually(begun)
        for key in [*strangers, *own]:
            await lab.sender.emit(key)
        await eventually(lambda: live_published(lab))
        assert await bulk_waiting(lab) >= 190_000
    said = await lab.log()
    assert {envelope.key for envelope in said} >= {*strangers, *own}
    for key in own:
        assert [envelope.seq for envelope in said if envelope.key == key] == [1, 2]


async def test_a_bulk_row_waits_for_the_live_row_before_it(lab: Lab) -> None:
    key = new_id()
    for lane in (Lane.LIVE, Lane.BULK, Lane.LIVE, Lane.BULK, Lane.BULK):
        await lab.sender.emit(key, lane=lane)
    async with running(lab.sender.relay(Lane.BULK).run(), lab.sender.relay(Lane.LIVE).run()):
        await eventually(lab.sender.published)
    assert [envelope.seq for envelope in await lab.log()] == [1, 2, 3, 4, 5]


async def test_both_lanes_of_one_key_in_one_transaction_keep_their_order(lab: Lab) -> None:
    key = new_id()
    async with lab.sender.db.transaction() as tx:
        tx.emit(call(key), lane=Lane.BULK)
        tx.emit(call(key))
        tx.emit(call(key), lane=Lane.BULK)
    async with running(lab.sender.relay(Lane.BULK).run(), lab.sender.relay(Lane.LIVE).run()):
        await eventually(lab.sender.published)
    assert [envelope.seq for envelope in await lab.log()] == [1, 2, 3]
