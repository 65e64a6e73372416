"""Style, scripts and vendor files under /static/, kept by browsers for as long as their content hash is in the address."""

import hashlib
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs

from starlette.responses import Response
from starlette.routing import Mount, Router
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from services.kit.web.vendor import COMMAND, VENDOR, VendorError, is_ready

STATIC = Path(__file__).parent / "static"
PREFIX = "/static"
POLICY = "default-src 'none'; connect-src 'self'; frame-ancestors 'none'"  # a worker has its script's, not its page's: it listens to the stream


@cache
def fingerprint(name: str) -> str:
    """Eight characters that change with the file. Raises FileNotFoundError."""
    file = VENDOR / name.removeprefix("vendor/") if name.startswith("vendor/") else STATIC / name
    return hashlib.sha256(file.read_bytes()).hexdigest()[:8]


def static(name: str) -> str:
    """The address of a file, in templates. Pages can be rendered before the vendor files are there; they cannot be served."""
    try:
        return f"{PREFIX}/{name}?v={fingerprint(name)}"
    except FileNotFoundError:
        if not name.startswith("vendor/"):
            raise
        return f"{PREFIX}/{name}"


class Hashed(StaticFiles):
    def __init__(self, directory: Path, prefix: str = "") -> None:
        super().__init__(directory=directory)
        self._prefix = prefix

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("v")
        # Only the hash of what is sent may be kept: during an upgrade an old process may be asked for a newer file.
        current = asked is not None and response.status_code in (200, 304) and asked[0] == fingerprint(self._prefix + path)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if current else "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = POLICY
        return response


def static_app() -> Router:
    """To be mounted at PREFIX. Raises VendorError when the vendor files are missing or out of date."""
    if not is_ready():
        raise VendorError(f"the web vendor files are missing or out of date: type {COMMAND}")
    return Router([Mount("/vendor", Hashed(VENDOR, "vendor/")), Mount("/", Hashed(STATIC))])
