"""The fold as JSON, for the one service that stores it. The round trip is exact; the version is kept beside it."""

from pydantic import TypeAdapter

from contracts.case_state.states import CaseState

_CASE = TypeAdapter(CaseState)


def to_json(state: CaseState) -> bytes:
    return _CASE.dump_json(state)


def from_json(stored: bytes) -> CaseState:
    return _CASE.validate_json(stored)
