"""A refusal as a page, for a browser; `kit.app` gives everybody else problem+json."""

import time
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from services.kit import app as kit
from services.kit.auth import Caller, bearer
from services.kit.errors import Unauthenticated
from services.kit.web import pages, problems

_templates = pages.templates(pages.KIT)


def page(request: Request, wrong: kit.Problem) -> Response:
    shown = problems.problem(wrong.status, trace_id=wrong.trace_id, code=wrong.code)
    caller, now = _caller(request), datetime.fromtimestamp(time.time(), UTC)
    return _templates.problem(request, shown, now=now, caller=caller, csrf=caller.csrf or "" if caller else "")


def _caller(request: Request) -> Caller | None:
    try:
        return bearer(request)
    except Unauthenticated:
        return None
