"""Signed tokens: what a caller may do, for 15 minutes. Keys are files: a new one signs at once, the one before goes on verifying."""

import base64
import json
import os
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from services.gateway import domain
from services.gateway.domain import Sees
from services.kit.auth import ALGORITHMS, ISSUER
from services.kit.clock import new_id

LIFE_S = 15 * 60
SIGNING_KEYS, PUBLIC_KEYS = "signing-keys.json", "jwks.json"


class Signer:
    """Reads its key again when the file changes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read_at = 0.0
        self._key: ECKey

    def sign(self, subject: str, sees: Sees, scopes: Collection[str], **more: Any) -> str:
        self._reload()
        now = int(time.time())
        claims = {
            "iss": ISSUER, "sub": subject, "aud": domain.audience(scopes), "iat": now, "exp": now + LIFE_S, "jti": new_id(),
            "scope": " ".join(scopes), "roles": list(sees.roles), "principal_ids": list(sees.principal_ids),
            "provider_id": sees.provider_id, "member_id": sees.member_id,
        } | more  # fmt: skip
        header = {"alg": ALGORITHMS[0], "kid": self._key.kid}
        return jwt.encode(header, {name: value for name, value in claims.items() if value is not None}, self._key)

    def _reload(self) -> None:
        changed = self._file.stat().st_mtime
        if changed != self._read_at:
            self._key = ECKey.import_key(json.loads(self._file.read_bytes())["keys"][0])
            self._read_at = changed


def expiry(authorization: bytes) -> float:
    """When a bearer token ends, as it says itself; its service verifies it. What cannot be read ends now."""
    try:
        payload = authorization.split(b".")[1]
        return float(json.loads(base64.urlsafe_b64decode(payload + b"=="))["exp"])
    except (IndexError, ValueError, KeyError, TypeError):
        return 0


def make_keys(folder: Path, *, renew: bool = False) -> tuple[Path, Path]:
    """The files of the signing keys (private) and of the public ones, made where missing.

    `renew`: a new key signs from now on; the one before stays for what it has signed; older ones go. Not twice within 15 minutes.
    """
    private, public = folder / SIGNING_KEYS, folder / PUBLIC_KEYS
    keys = KeySet.import_key_set(json.loads(private.read_bytes())).keys if private.exists() else []
    if renew or not keys:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHMS[0]}, auto_kid=True)
        keys = [new, *keys[:1]]
        _write(public, KeySet(keys).as_dict(private=False), 0o644)  # known to every service before it signs anything
        _write(private, KeySet(keys).as_dict(private=True), 0o600)
    return private, public


def _write(file: Path, content: Any, mode: int) -> None:
    descriptor, draft = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(descriptor, "w") as out:
        os.fchmod(out.fileno(), mode)
        json.dump(content, out)
    Path(draft).replace(file)
