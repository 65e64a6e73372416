"""A key that fails waits in order while the others flow; then it is retried, skipped or done by hand."""

import asyncio
from collections.abc import Sequence
from typing import Literal

import pytest

from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.drainer import dismiss, retry
from services.kit.errors import Conflict, NotFound
from services.kit.subscriptions import Received, Table, every
from tests.conftest import eventually
from tests.kit.harness import Failing, Lab, keep, running


async def park(lab: Lab, key: str, others: Sequence[str] = ()) -> None:
    """`key` holds call, bad, call, call; each of the others a call."""
    for kind in ("call", "bad", "call", "call"):
        await lab.sender.emit(key, kind=kind)
    await lab.sender.emit(*others)


async def test_a_failing_key_is_parked_in_order_while_the_others_flow_and_goes_on_when_healed(lab: Lab) -> None:
    key, others, failing = new_id(), [new_id() for _ in range(30)], Failing()
    await park(lab, key, others)
    async with running(lab.sender.relay().run(), lab.reader.consumer(failing.table).run(), lab.reader.drainer(failing.table).run()):
        await eventually(lambda: lab.once(*others, upto=1))
        await eventually(lab.caught_up)
        [stuck] = await lab.reader.stuck()
        assert (stuck.key, stuck.reason, stuck.seq, stuck.waiting) == (key, "failed", 2, 3)
        assert stuck.cause.startswith("LookupError in services.kit.delivery.")
        assert stuck.next_try is not None
        assert await lab.effects(key) == [1]
        tried = failing.tries
        failing.healed = True
        await eventually(lambda: lab.once(key, upto=4))  # the drainer comes back by itself
        await eventually(lab.nothing_stuck)
    assert tried >= 3
    assert await lab.count() == 34


async def test_one_bad_record_among_many_costs_a_few_batches_and_not_one_per_record(lab: Lab) -> None:
    """They lie ahead before the consumer starts, so they come to it in batches of a partition."""
    failing, sizes = Failing(), []

    async def handle(tx: Transaction, received: Sequence[Received]) -> None:
        sizes.append(len(received))
        await failing.handle(tx, received)

    keys, bad = [new_id() for _ in range(800)], new_id()
    async with running(lab.sender.relay().run()):
        await lab.sender.emit(*keys[:400])
        await lab.sender.emit(bad, kind="bad")
        await lab.sender.emit(*keys[400:])
        await eventually(lab.sender.published)
    async with running(lab.reader.consumer(Table([every("cases", handle)])).run()):
        await eventually(lab.caught_up)
    assert [stuck.key for stuck in await lab.reader.stuck()] == [bad]
    assert await lab.count() == 800
    assert len(sizes) < 60, sizes


async def test_the_cause_of_a_parked_key_names_the_constraint_and_no_person(lab: Lab) -> None:
    async def handle(tx: Transaction, _: Sequence[Received]) -> None:
        await tx.conn.execute("create temp table person (name text constraint one_name primary key, phone text) on commit drop")
        await tx.conn.execute("insert into person select 'Odile Couesnon', '+33639987701' from generate_series(1, 2)")

    await lab.sender.emit(new_id())
    async with running(lab.sender.relay().run(), lab.reader.consumer(Table([every("cases", handle)])).run()):
        [stuck] = await eventually(lab.reader.stuck)
    assert "UniqueViolationError: 23505" in stuck.cause and "constraint_name=one_name" in stuck.cause
    assert "Odile" not in stuck.cause and "+336" not in stuck.cause


async def test_50_arrivals_during_a_drain_join_the_queue_in_order(lab: Lab) -> None:
    key, failing = new_id(), Failing()
    draining, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(tx: Transaction, received: Sequence[Received]) -> None:
        draining.set()
        await go_on.wait()
        await keep(tx, received)

    await park(lab, key)
    async with running(lab.sender.relay().run(), lab.reader.consumer(failing.table).run()):
        await eventually(lab.reader.stuck)
        await eventually(lab.caught_up)
        async with running(lab.reader.drainer(Table([every("cases", slowly)])).run()):
            await eventually(draining.is_set)
            for _ in range(50):
                await lab.sender.emit(key)
            await eventually(lab.sender.published)
            assert await lab.effects(key) == [1]
            go_on.set()
            await eventually(lambda: lab.once(key, upto=54))
            await eventually(lab.nothing_stuck)
    assert await lab.count() == 54


async def test_an_arrival_while_the_last_parked_record_drains_is_not_taken_for_a_gap(lab: Lab) -> None:
    key, failing = new_id(), Failing()
    draining, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(tx: Transaction, received: Sequence[Received]) -> None:
        draining.set()
        await go_on.wait()
        await keep(tx, received)

    await lab.sender.emit(key, kind="bad")
    async with running(lab.sender.relay().run(), lab.reader.consumer(failing.table).run()):
        await eventually(lab.reader.stuck)
        async with running(lab.reader.drainer(Table([every("cases", slowly)])).run()):
            await eventually(draining.is_set)
            await lab.sender.emit(key)
            await eventually(lambda: consumer_waits(lab))
            go_on.set()
            await eventually(lambda: lab.once(key, upto=2))
            await eventually(lab.nothing_stuck)


async def consumer_waits(lab: Lab) -> bool:
    """On the row of a key that the drainer holds."""
    waits: bool = await lab.reader.value(
        "select exists (select from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock')", lab.reader.name
    )
    return waits


async def test_retry_tries_at_once_and_says_who_asked(lab: Lab) -> None:
    key, failing = new_id(), Failing()
    await park(lab, key)
    async with running(lab.sender.relay().run(), lab.reader.consumer(failing.table).run()):
        await eventually(lab.reader.stuck)
        await eventually(lab.caught_up)
        async with lab.reader.db.transaction() as tx:
            await tx.conn.execute("update kit.parked_key set next_try = now() + interval '1 day'")
        failing.healed = True
        async with running(lab.reader.drainer(failing.table).run()):
            async with lab.reader.db.transaction() as tx:
                await retry(tx, "cases", key, "claire", "the tariff has come")
            await eventually(lambda: lab.once(key, upto=4))
    assert await lab.reader.fetch("select key, action, by_whom, reason from kit.parked_audit") == [(key, "retry", "claire", "the tariff has come")]


@pytest.mark.parametrize("action", ["skip", "done_by_hand"])
async def test_a_dismissed_record_is_never_applied_and_those_behind_it_are(lab: Lab, action: Literal["skip", "done_by_hand"]) -> None:
    key, failing = new_id(), Failing()
    await park(lab, key)
    async with running(lab.sender.relay().run(), lab.reader.consumer(failing.table).run(), lab.reader.drainer(failing.table).run()):
        [stuck] = await eventually(lab.reader.stuck)
        await eventually(lab.caught_up)
        async with lab.reader.db.transaction() as tx:
            await dismiss(tx, "cases", key, action, "claire", "booked by phone", stuck.first)
        await eventually(lab.nothing_stuck)
        assert await lab.effects(key) == [1, 3, 4]
        await lab.sender.emit(key)
        await eventually(lambda: holds(lab, key, [1, 3, 4, 5]))
    audited = await lab.reader.fetch("select key, seq, action, by_whom, reason from kit.parked_audit")
    assert audited == [(key, 2, action, "claire", "booked by phone")]


async def holds(lab: Lab, key: str, seqs: list[int]) -> bool:
    return await lab.effects(key) == seqs


async def test_dismissing_another_record_than_the_one_seen_is_refused(lab: Lab) -> None:
    key, failing = new_id(), Failing()
    await park(lab, key)
    async with running(lab.sender.relay().run(), lab.reader.consumer(failing.table).run()):
        [stuck] = await eventually(lab.reader.stuck)
    async with lab.reader.db.transaction() as tx:
        with pytest.raises(Conflict):
            await dismiss(tx, "cases", key, "skip", "claire", "seen too late", stuck.first - 1)
        with pytest.raises(NotFound):
            await dismiss(tx, "cases", new_id(), "skip", "claire", "nothing there")
        with pytest.raises(NotFound):
            await retry(tx, "cases", new_id(), "claire", "nothing there")
    assert await lab.reader.value("select count(*) from kit.parked_audit") == 0


async def test_a_batch_with_one_bad_record_applies_all_the_others_once(lab: Lab) -> None:
    keys, failing = [new_id() for _ in range(150)], Failing()
    await lab.sender.emit(*keys)
    await lab.sender.emit(keys[0], kind="bad")
    await lab.sender.emit(*keys)
    async with running(lab.sender.relay().run()):
        await eventually(lab.sender.published)
    async with running(lab.reader.consumer(failing.table).run()):
        await eventually(lambda: lab.once(*keys[1:], upto=2))
        await eventually(lab.caught_up)
    assert await lab.effects(keys[0]) == [1]
    [stuck] = await lab.reader.stuck()
    assert (stuck.key, stuck.waiting) == (keys[0], 2)
