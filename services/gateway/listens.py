"""What the gateway hears of members: who counts as somebody else."""

from collections.abc import Sequence

from contracts.reference import MemberChanged
from services.gateway import store
from services.kit.db import Transaction
from services.kit.subscriptions import Received, many


async def on_members_changed(tx: Transaction, received: Sequence[Received]) -> None:
    await store.link_members(tx, {one.data.member_id: one.data.linked_to for one in received})


SUBSCRIPTIONS = [many(MemberChanged, on_members_changed, patient=True)]
