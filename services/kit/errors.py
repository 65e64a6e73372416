"""Refusals: named classes with a code, turned into RFC 9457 problems by `kit.app` alone.

    Refusal
    ├── BadInput        400  the request itself is wrong
    │   └── Invalid     422  understood, but the values cannot be
    ├── Unauthenticated 401
    ├── Forbidden       403
    ├── NotFound        404  also for what belongs to somebody else
    ├── Conflict        409  the state does not allow it (any more)
    ├── StaleVersion    412  somebody changed it since it was read
    ├── TooMany         429
    └── Unavailable     503  try again

Standard library only: a domain raises these.
"""

from collections.abc import Mapping


class Refusal(Exception):
    """Base of all. `code` is lower_snake and stable; `detail` says what to do and names no person.

    `retry_after`, seconds, is told as a header.
    """

    status = 400
    code = "refused"
    title = "Refused"

    def __init__(self, detail: str = "", *, code: str | None = None, **extra: object) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.code = code or type(self).code
        self.extra: Mapping[str, object] = extra


class BadInput(Refusal):
    status, code, title = 400, "bad_input", "The request cannot be understood"


class Invalid(BadInput):
    status, code, title = 422, "invalid", "The values cannot be accepted"


class Unauthenticated(Refusal):
    status, code, title = 401, "unauthenticated", "Sign in first"


class Forbidden(Refusal):
    status, code, title = 403, "forbidden", "Not allowed"


class NotFound(Refusal):
    status, code, title = 404, "not_found", "Not found"


class Conflict(Refusal):
    status, code, title = 409, "conflict", "The state does not allow it"


class StaleVersion(Refusal):
    status, code, title = 412, "stale_version", "Changed by somebody else meanwhile"


class TooMany(Refusal):
    status, code, title = 429, "too_many_requests", "Too many requests"


class Unavailable(Refusal):
    status, code, title = 503, "unavailable", "Not available now, try again"
