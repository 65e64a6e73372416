"""The envelope of every event: CloudEvents 1.0 in Kafka binary mode, plus the two numbers that make delivery checkable.

`seq` is gapless per (source, topic, key): it finds duplicates, loss and disorder without anybody's help.
`row` is the emitter's outbox row. Source of the header names: cloudevents/spec, kafka-protocol-binding 1.0.2.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, Self

CONTENT_TYPE = "application/json"
MAX_BYTES = 256 * 1024

Headers = Sequence[tuple[str, bytes]]

_FIXED = (("content-type", CONTENT_TYPE.encode()), ("ce_specversion", b"1.0"))


class Undecodable(ValueError):
    """A record whose headers are no envelope of ours."""


class Envelope(NamedTuple):
    id: str
    source: str
    type: str  # "intake.case_opened.v1"
    time: datetime
    key: str
    seq: int
    row: int
    correlation_id: str
    causation_id: str
    traceparent: str

    def to_headers(self) -> list[tuple[str, bytes]]:
        event_id, source, event_type, time, key, seq, row, correlation_id, causation_id, traceparent = self
        named_source, named_type, schema = _same_for_all(source, event_type)
        return [
            *_FIXED,
            ("ce_id", event_id.encode()),
            named_source,
            named_type,
            ("ce_time", time.isoformat().replace("+00:00", "Z").encode()),
            ("ce_subject", key.encode()),
            schema,
            ("ce_seq", b"%d" % seq),
            ("ce_row", b"%d" % row),
            ("ce_correlationid", correlation_id.encode()),
            ("ce_causationid", causation_id.encode()),
            ("traceparent", traceparent.encode()),
        ]

    @classmethod
    def from_headers(cls, headers: Iterable[tuple[str, bytes | None]]) -> Self:
        """Raises `Undecodable` naming what is missing or malformed; Kafka lets a header have no value."""
        found: dict[str, Any] = dict(headers)
        try:
            return cls(
                found["ce_id"].decode(),
                found["ce_source"].decode(),
                found["ce_type"].decode(),
                datetime.fromisoformat(found["ce_time"].decode()),
                found["ce_subject"].decode(),
                int(found["ce_seq"]),
                int(found["ce_row"]),
                found["ce_correlationid"].decode(),
                found["ce_causationid"].decode(),
                found["traceparent"].decode(),
            )
        except (KeyError, AttributeError, TypeError):  # the last two: a header without a value
            raise Undecodable(f"no header {next(name for name in _READ if found.get(name) is None)}") from None
        except ValueError:
            raise Undecodable(f"malformed header: {_malformed(found)}") from None


@lru_cache(maxsize=1_000)
def _same_for_all(source: str, event_type: str) -> tuple[tuple[str, bytes], tuple[str, bytes], tuple[str, bytes]]:
    """Source, type and schema (`urn:entraide:intake.case_opened:1`), as every event of a type has them."""
    name, _, version = event_type.rpartition(".v")
    return ("ce_source", source.encode()), ("ce_type", event_type.encode()), ("ce_dataschema", f"urn:entraide:{name}:{version}".encode())


_READ = (
    "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject", "ce_seq", "ce_row", "ce_correlationid", "ce_causationid", "traceparent",
)  # fmt: skip
_NUMBERS_AND_TIMES: dict[str, Callable[[str], object]] = {"ce_seq": int, "ce_row": int, "ce_time": datetime.fromisoformat}


def _malformed(found: Mapping[str, bytes]) -> str:
    """Its name: a value is never repeated."""
    for name, value in found.items():
        try:
            _NUMBERS_AND_TIMES.get(name, str)(value.decode())
        except ValueError:
            return name
    return "one of them"
