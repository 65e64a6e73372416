"""What the others are told of an account: the event without the person, the person as a card."""

from contracts.cards import UserCard
from contracts.common import CardKind
from contracts.gateway import UserChanged
from services.gateway.domain import User
from services.kit.db import Transaction


def user_changed(tx: Transaction, user: User) -> None:
    tx.emit(_changed(user))
    email = user.login if "@" in user.login else None
    tx.outbox.add_card(UserCard(id=user.id, version=user.version, name=user.name, email=email), tx.cause)


def user_erased(tx: Transaction, user: User) -> None:
    tx.emit(_changed(user))
    tx.tombstone(CardKind.USER, user.id, user.version)


def _changed(user: User) -> UserChanged:
    return UserChanged(
        user_id=user.id,
        roles=list(user.roles),
        principal_ids=list(user.principal_ids),
        provider_id=user.provider_id,
        member_id=user.member_id,
        active=user.active,
        version=user.version,
    )
