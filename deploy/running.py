"""Finding a running platform from beside it: by the note it wrote at its start or, inside its containers, by their secrets."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from deploy import databases
from deploy.passwords import password
from deploy.platform import RUNNING
from deploy.topics import SERVICES, Broker
from services.kit.settings import SECRETS


class NothingRuns(SystemExit):
    """Ends the command with what to type."""


@dataclass(frozen=True)
class Running:
    url: str
    folder: Path
    databases: dict[str, str]
    kafka: dict[str, str]

    @classmethod
    def find(cls, pid: int | None = None) -> Self:
        """The platform of this pid, or the one that started last; inside containers theirs. Raises `NothingRuns`."""
        if server := os.environ.get("ENTRAIDE_POSTGRES"):
            return cls._around(server, Path(os.environ.get("ENTRAIDE_SECRETS_DIR", SECRETS)))
        notes = sorted(RUNNING.glob("*.json"), key=lambda note: note.stat().st_mtime) if RUNNING.is_dir() else []
        alive = [note for note in notes if _alive(int(note.stem)) and pid in (None, int(note.stem))]
        if not alive:
            raise NothingRuns("No platform of yours runs on this machine. Start one with `make demo`; for containers, `make up`.")
        note = json.loads(alive[-1].read_text())
        return cls(note["url"], Path(note["folder"]), note["databases"], note["kafka"])

    @classmethod
    def _around(cls, server: str, secrets: Path) -> Self:
        """From where `deploy.setup` ran: the same settings, the same secrets."""
        staff = {service: databases.addresses(f"postgresql://{server}", secrets, service).staff for service in SERVICES}
        kafka = {"bootstrap": os.environ["ENTRAIDE_KAFKA_BOOTSTRAP"], "user": "admin", "password": password(secrets, "kafka-admin")}
        return cls(os.environ.get("ENTRAIDE_URL", ""), secrets, staff, kafka)

    @property
    def broker(self) -> Broker:
        return Broker(**self.kafka)

    def database(self, service: str) -> str:
        if service not in self.databases:
            raise NothingRuns(f"There is no service {service}; there are {', '.join(self.databases)}.")
        return self.databases[service]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
