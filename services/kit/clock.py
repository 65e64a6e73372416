"""Ids that sort by time. The time itself is the database's: `Transaction.now`."""

import uuid_utils


def new_id() -> str:
    """A UUIDv7."""
    return str(uuid_utils.uuid7())
