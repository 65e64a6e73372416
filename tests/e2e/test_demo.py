"""The demo as people run it: everything started, cases played through every door, all of it checked, everything stopped."""

import io
import json
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from deploy.demo.play import MUST_BE_ZERO, play

CASES = 40


@pytest.mark.timeout(400)
async def test_forty_cases_come_to_their_end_and_every_door_tells_the_same(tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    shown = io.StringIO()

    code = await play(CASES, True, Console(file=shown, width=200), tmp_path / "platform")

    summary = json.loads(shown.getvalue().splitlines()[-1])
    assert {name: summary[name] for name in MUST_BE_ZERO} == dict.fromkeys(MUST_BE_ZERO, 0), shown.getvalue()
    assert code == 0
    outcomes = summary["completed"] + summary["refused"] + summary["cancelled"] + summary["unfilled_settled_by_hand"]
    assert summary["cases"] == CASES and outcomes == summary["needs"] > CASES
    assert summary["completed"] and summary["cancelled"] and summary["crossings"]
    assert summary["billed"] == summary["invoiced"] and summary["invoiced_cents"] > 0 < summary["payable_cents"]
    assert 0 < summary["p50_ms"] <= summary["p99_ms"]
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before
