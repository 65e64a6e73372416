"""What goes out, and what the adapters say of it: `kit.mail` and `kit.sms` send, `kit.notify` decides when."""

from datetime import datetime
from typing import NamedTuple


class Message(NamedTuple):
    """`id` is the same at every try."""

    id: str
    to: str
    language: str
    subject: str
    body: str
    put_at: datetime


class NotNow(Exception):
    """It may go out later."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Never(NotNow):
    """It will not, however often it is tried."""
