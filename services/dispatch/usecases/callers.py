"""Who asks, and in which words: for every door alike."""

from contracts.reasons import Family
from services.kit.auth import Caller
from services.kit.errors import Forbidden, Invalid

PROVIDER = ("provider", "provider_admin")  # the roles


def own(caller: Caller) -> str:
    """The caller's provider. Raises `Forbidden`."""
    if caller.provider_id is None:
        raise Forbidden("this account belongs to no provider")
    return caller.provider_id


def known(reason: str, family: Family) -> str:
    """Raises `Invalid`."""
    if reason not in family:
        raise Invalid(f"the reason must be one of {', '.join(family)}", code="unknown_reason")
    return reason
