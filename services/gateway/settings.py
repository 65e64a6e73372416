"""Settings of the gateway, and the refusal to start on a secret that everybody knows."""

import re
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from services.kit.settings import ServiceSettings

SHORTEST = 16
SAMPLES = re.compile(
    r"(?:(?:change.?me|secret|password|passwd|sample|example|demo|test|entraide|postgres|default|admin|azerty|qwerty|key|[^a-z])+)", re.IGNORECASE
)
ADVICE = "type `make secrets`, which writes what is missing, or set it in the environment or in the secrets folder"


class Settings(ServiceSettings):
    services: dict[str, str]  # service → address of its web process, as JSON
    signing_keys_file: Path  # private JWK set, the first key signs
    csrf_secret: SecretStr
    public_origin: str = ""  # https://… as browsers see it; empty: http and the Host of the request, for a loopback address
    ticket_jwks_file: Path | None = None  # public keys of the tickets that open accounts; without, only administrators add them
    demo: bool = False  # known secrets are accepted

    @classmethod
    def read(cls) -> Self:
        """Raises SystemExit that names the setting and says what to type; it never repeats a value."""
        try:
            settings = super().read()
        except ValidationError as wrong:
            faults = [f"{_variable(error['loc'][0])}: {_reason(error['type'])}" for error in wrong.errors(include_input=False)]
            raise SystemExit("\n".join([*faults, ADVICE])) from None
        settings.refuse_known_secrets()
        return settings

    def refuse_known_secrets(self) -> None:
        """Raises SystemExit, unless this is the demo."""
        if self.demo:
            return
        faults = []
        for name, value in self:
            if isinstance(value, SecretStr) and (fault := weakness(_secret_part(value.get_secret_value()))):
                faults.append(f"{_variable(name)}: {fault}")
        if not self.signing_keys_file.is_file():
            faults.append(f"{_variable('signing_keys_file')}: there is no such file")
        if faults:
            raise SystemExit("\n".join([*faults, ADVICE]))


def weakness(secret: str | None) -> str | None:
    """What is wrong with a secret, in words; None when it is good or when there is none to have."""
    if secret is None:
        return None
    if SAMPLES.fullmatch(secret):
        return "a sample or known value"
    if len(secret) < SHORTEST:
        return f"shorter than {SHORTEST} characters"
    return None


def _secret_part(value: str) -> str | None:
    """Of an address, its password."""
    return urlsplit(value).password if "://" in value else value


def _variable(name: int | str) -> str:
    return f"ENTRAIDE_{name}".upper()


def _reason(kind: str) -> str:
    return "missing" if kind == "missing" else f"wrong ({kind})"
