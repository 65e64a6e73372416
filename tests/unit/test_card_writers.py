"""Each kind of card has one writer; a card from anybody else is parked, never applied."""

from datetime import UTC, datetime

import pytest

from contracts import cards
from contracts.envelope import Envelope
from services.kit.clock import new_id
from services.kit.delivery import Item, _judge
from services.kit.parking import Raw


@pytest.mark.parametrize(
    ("service", "card_type", "may"),
    [
        ("intake", "card.case.v1", True),
        ("intake", "card.note.v1", True),
        ("reference", "card.member.v1", True),
        ("dispatch", "card.case.v1", False),
        ("intake", "card.member.v1", False),
        ("intake", "card.vehicle.v1", False),
        ("intake", "intake.case_opened.v1", False),
    ],
)
def test_only_its_one_writer_writes_a_card(service: str, card_type: str, may: bool) -> None:
    assert cards.writes(service, card_type) is may


@pytest.mark.parametrize(("source", "reason"), [("intake", None), ("dispatch", "not_owner")])
def test_a_card_of_another_service_is_not_applied(source: str, reason: str | None) -> None:
    case = new_id()
    envelope = Envelope(new_id(), source, "card.case.v1", datetime.now(UTC), f"case:{case}", 1, 1, new_id(), new_id(), "00-0-0-01")
    raw = Raw("cards", 0, 0, f"case:{case}".encode(), tuple(envelope.to_headers()), b"{}")
    assert _judge(Item.of(raw), {}, {}, counted=False).reason == reason
