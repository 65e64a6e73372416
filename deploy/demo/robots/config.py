"""What the robots are told, as one JSON file. Nothing in it opens a database: they know what people outside know."""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of a machine that acts for somebody. `tenant` is the id of that provider, principal or member; None for staff."""

    client_id: str
    secret: str
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Firm:
    """A provider as its own software sees itself."""

    id: str
    label: str
    door: str  # kafka, polling, extranet
    credentials: Credentials
    kafka_password: str | None


@dataclass(frozen=True, slots=True)
class Caller:
    """A person who asks for help, as known on the telephone."""

    number: str
    principal: str
    name: str
    birth_date: date
    phone: str
    address: str
    insee: str
    postcode: str
    covered: tuple[str, ...]
    portal: Credentials | None


@dataclass(frozen=True, slots=True)
class Config:
    gateway_url: str
    kafka_bootstrap: str
    diary: Path
    batch_file: Path
    cases: int
    seed: int
    in_flight: int  # cases under way at once, at most
    cases_per_s: float  # opened at most; 0: as fast as there is room
    patience_s: float  # a command without an answer is sent again for so long
    offer_ttl_s: float
    desk: tuple[Credentials, ...]
    finance: Credentials
    principals: dict[str, Credentials]
    firms: tuple[Firm, ...]
    callers: tuple[Caller, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        given = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            **given
            | {
                "diary": Path(given["diary"]),
                "batch_file": Path(given["batch_file"]),
                "desk": tuple(Credentials(**one) for one in given["desk"]),
                "finance": Credentials(**given["finance"]),
                "principals": {code: Credentials(**one) for code, one in given["principals"].items()},
                "firms": tuple(Firm(**one | {"credentials": Credentials(**one["credentials"])}) for one in given["firms"]),
                "callers": tuple(_caller(one) for one in given["callers"]),
            }
        )


def _caller(given: dict[str, Any]) -> Caller:
    portal = given["portal"] and Credentials(**given["portal"])
    return Caller(**given | {"birth_date": date.fromisoformat(given["birth_date"]), "covered": tuple(given["covered"]), "portal": portal})
