"""What the outbox refuses, what it numbers, and whom it wakes."""

import asyncio
from collections.abc import Callable

import pytest

from contracts.billing import CasePaid
from contracts.cards import NoteCard, UserCard
from contracts.envelope import MAX_BYTES
from services.kit.clock import new_id
from services.kit.db import Database, Transaction
from services.kit.outbox import Cause, NotOwner, Outbox, TooLarge
from services.kit.wake import Notifier, listen
from tests.conftest import eventually
from tests.kit.harness import Lab, call, running


def test_a_service_emits_only_what_it_owns() -> None:
    event = CasePaid(case_id=new_id(), need_id=new_id(), bill_id=new_id(), payment_id=new_id())
    with pytest.raises(NotOwner, match=r"intake may not emit billing\.case_paid\.v1"):
        Outbox("intake").add(event, Cause.fresh())


def test_a_service_writes_only_its_own_cards() -> None:
    card = UserCard(id=new_id(), version=1, name="x")
    with pytest.raises(NotOwner, match="intake may not write a user card"):
        Outbox("intake").add_card(card, Cause.fresh())
    with pytest.raises(NotOwner):
        Outbox("intake").add_tombstone(card.KIND, card.id, 2, Cause.fresh())


def test_an_event_over_the_limit_is_refused_before_the_commit() -> None:
    event = call(new_id()).model_copy(update={"reason": "r" * MAX_BYTES})
    with pytest.raises(TooLarge, match=r"common\.task_opened\.v1 of .* is over the limit of 262144"):
        Outbox("intake").add(event, Cause.fresh())


async def test_the_largest_event_that_is_accepted_arrives(lab: Lab) -> None:
    key = new_id()
    body = len(call(key).model_dump_json(exclude_none=True))
    spare = MAX_BYTES - 2048 - body - len(',"reason":""')
    async with lab.sender.db.transaction() as tx:
        tx.emit(call(key).model_copy(update={"reason": "r" * spare}))
    async with running(lab.sender.relay().run()):
        await eventually(lab.sender.published)
    assert [said.key for said in await lab.log()] == [key]


async def test_concurrent_transactions_of_one_key_get_a_gapless_order(lab: Lab) -> None:
    key = new_id()
    await asyncio.gather(*(lab.sender.emit(key, key) for _ in range(50)))
    assert await lab.sender.fetch("select seq from kit.outbox where aggregateid = $1 order by id", key) == list(range(1, 101))


def an_event(tx: Transaction) -> None:
    tx.emit(call(new_id()))


def a_card(tx: Transaction) -> None:
    tx.outbox.service = "intake"  # whose cards these are; the lab's name is another
    tx.outbox.add_card(NoteCard(id=new_id(), version=1, case_id=new_id(), text="x"), tx.cause)


@pytest.mark.parametrize("emit", [an_event, a_card])
async def test_a_commit_in_another_process_wakes_the_relay(lab: Lab, emit: Callable[[Transaction], None]) -> None:
    notifier, woken = Notifier(), asyncio.Event()
    web = await Database.connect(lab.sender.name, lab.sender.settings.database_url.get_secret_value(), woken=notifier.ring)

    async def committed_and_heard() -> bool:
        """The first ones may come before anybody listens."""
        async with web.transaction() as tx:
            emit(tx)
        return woken.is_set()

    try:
        async with running(notifier.run(web), listen(lab.sender.db, [woken])):
            await eventually(committed_and_heard)
    finally:
        await web.close()
