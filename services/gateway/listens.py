"""What the gateway hears of members: who counts as somebody else, and who was erased."""

from collections.abc import Sequence

from contracts.reference import MemberChanged, PersonErased
from services.gateway import store, usecases
from services.kit.db import Transaction
from services.kit.subscriptions import Received, each, many


async def on_members_changed(tx: Transaction, received: Sequence[Received]) -> None:
    await store.link_members(tx, {one.data.member_id: one.data.linked_to for one in received})


async def on_person_erased(tx: Transaction, event: PersonErased) -> None:
    await usecases.erase_member(tx, event.member_id)


SUBSCRIPTIONS = [many(MemberChanged, on_members_changed, patient=True), each(PersonErased, on_person_erased, patient=True)]
