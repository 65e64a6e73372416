"""What the robots did and what they were answered, line by line: the truth that the platform is checked against afterwards."""

import json
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

Outcome = Literal["ok", "fail", "info"]  # done; refused; not known, because no answer came


class Diary:
    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def note(
        self, actor: str, door: str, method: str, path: str, key: str | None, body: Any, status: int | None, response: Any, outcome: Outcome
    ) -> None:
        line = {
            "at": datetime.now(UTC).isoformat(),
            "actor": actor,
            "door": door,
            "method": method,
            "path": path,
            "idempotency_key": key,
            "body": body,
            "status": status,
            "response": response,
            "outcome": outcome,
        }
        self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
        self._file.flush()
