"""Tokens as the gateway signs them, for tests of one service alone."""

import json
import time
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from services.kit.auth import ALGORITHMS, ISSUER


class Keys:
    """A signing key, and its public half as a JWKS file in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._key = ECKey.generate_key("P-256", {"kid": "test", "use": "sig", "alg": ALGORITHMS[0]})
        self.jwks_file = folder / "jwks.json"
        self.jwks_file.write_text(json.dumps({"keys": [self._key.as_dict(private=False)]}))

    def token(self, audience: str, subject: str, *roles: str, **claims: Any) -> str:
        now = int(time.time())
        scope = f"{audience}:read {audience}:write"
        signed = {"iss": ISSUER, "aud": audience, "sub": subject, "iat": now, "exp": now + 900, "scope": scope, "roles": list(roles)}
        return jwt.encode({"alg": ALGORITHMS[0], "kid": "test"}, signed | claims, self._key)
