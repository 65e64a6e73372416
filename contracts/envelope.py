"""The envelope of every event: CloudEvents 1.0 in Kafka binary mode, plus the two numbers that make delivery checkable.

`seq` is gapless per (source, topic, key): it finds duplicates, loss and disorder without anybody's help.
`row` is the emitter's outbox row. Source of the header names: cloudevents/spec, kafka-protocol-binding 1.0.2.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

CONTENT_TYPE = "application/json"
MAX_BYTES = 256 * 1024

Headers = Sequence[tuple[str, bytes]]


class Undecodable(ValueError):
    """A record whose headers are no envelope of ours."""


@dataclass(frozen=True, slots=True)
class Envelope:
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

    @property
    def schema(self) -> str:
        """`urn:entraide:intake.case_opened:1`"""
        name, _, version = self.type.rpartition(".v")
        return f"urn:entraide:{name}:{version}"

    def to_headers(self) -> list[tuple[str, bytes]]:
        values = (
            ("content-type", CONTENT_TYPE),
            ("ce_specversion", "1.0"),
            ("ce_id", self.id),
            ("ce_source", self.source),
            ("ce_type", self.type),
            ("ce_time", self.time.isoformat().replace("+00:00", "Z")),
            ("ce_subject", self.key),
            ("ce_dataschema", self.schema),
            ("ce_seq", str(self.seq)),
            ("ce_row", str(self.row)),
            ("ce_correlationid", self.correlation_id),
            ("ce_causationid", self.causation_id),
            ("traceparent", self.traceparent),
        )
        return [(name, value.encode()) for name, value in values]

    @classmethod
    def from_headers(cls, headers: Iterable[tuple[str, bytes]]) -> Self:
        """Raises `Undecodable` naming what is missing or malformed."""
        found = dict(headers)
        try:
            return cls(
                id=found["ce_id"].decode(),
                source=found["ce_source"].decode(),
                type=found["ce_type"].decode(),
                time=datetime.fromisoformat(found["ce_time"].decode()),
                key=found["ce_subject"].decode(),
                seq=int(found["ce_seq"]),
                row=int(found["ce_row"]),
                correlation_id=found["ce_correlationid"].decode(),
                causation_id=found["ce_causationid"].decode(),
                traceparent=found["traceparent"].decode(),
            )
        except KeyError as missing:
            raise Undecodable(f"no header {missing.args[0]}") from None
        except ValueError as wrong:
            raise Undecodable(f"malformed header: {wrong}") from None
