import io
from collections.abc import Iterator
from itertools import count

import pytest

from tests.bench.frame import BOUNDS, Bound, Line, Run, alternate, compare, missed, report

ON_THE_MUST = [Line(name, 1234, "unit", yardstick, bound.must) for (name, yardstick), bound in BOUNDS.items()]


def with_ratio(name: str, yardstick: str, ratio: float) -> list[Line]:
    """Every figure on its must, but one."""
    kept = [line for line in ON_THE_MUST if (line.name, line.yardstick) != (name, yardstick)]
    return [*kept, Line(name, 1234, "unit", yardstick, ratio)]


def test_a_line_names_figure_value_unit_yardstick_and_ratio() -> None:
    assert str(Line("hop_drain", 7421.4, "events/s", "raw", 0.6123)) == "hop_drain 7421 events/s vs raw 0.612"
    assert str(Line("chain_drain", 41.26, "cases/s", "commits", 0.00344)) == "chain_drain 41.3 cases/s vs commits 0.00344"
    assert str(Line("cpu_per_case", 31.04, "ms")) == "cpu_per_case 31 ms"


async def test_versions_alternate_and_the_ratio_is_the_median_of_neighbours() -> None:
    order: list[str] = []

    def version(name: str, figures: Iterator[float]) -> Run:
        async def run() -> float:
            order.append(name)
            return next(figures)

        return run

    result = await compare(version("a", iter([10, 40, 30])), version("b", iter([10, 20, 60])))
    assert order == ["a", "b", "a", "b", "a", "b"]
    assert (result.value, result.yardstick, result.ratio) == (30, 20, 1.0)


async def test_every_version_runs_once_a_round() -> None:
    numbers = count(1)

    async def run() -> float:
        return next(numbers)

    assert await alternate({"a": run, "b": run, "c": run}, rounds=2) == {"a": [1, 4], "b": [2, 5], "c": [3, 6]}


async def test_the_rounds_before_those_that_count_do_not() -> None:
    numbers = count(1)

    async def run() -> float:
        return next(numbers)

    assert await alternate({"a": run, "b": run}, rounds=2, unmeasured=1) == {"a": [3, 5], "b": [4, 6]}


def test_figures_exactly_on_their_must_pass() -> None:
    assert report(ON_THE_MUST, io.StringIO()) == 0


@pytest.mark.parametrize(
    ("name", "yardstick", "ratio"),
    [
        ("hop_drain", "raw", 0.39),
        ("hop_drain", "faststream_outbox", 29.9),
        ("hop_light", "faststream_outbox", 0.81),
        ("chain_light", "hop_light", 10.1),
    ],
)
def test_a_figure_below_its_must_ends_with_a_non_zero_status(name: str, yardstick: str, ratio: float) -> None:
    out = io.StringIO()
    assert report(with_ratio(name, yardstick, ratio), out) == 1
    assert f"MISSED {name} vs {yardstick}" in out.getvalue()


def test_a_figure_that_was_not_measured_is_missed() -> None:
    assert missed(ON_THE_MUST[1:]) == ["hop_drain vs raw: not measured, must be ≥ 0.4"]


def test_the_last_lines_are_the_figures_in_order() -> None:
    lines = [*ON_THE_MUST, Line("cpu_per_case", 31, "ms")]
    out = io.StringIO()
    report(lines, out)
    assert out.getvalue().splitlines()[-len(lines) :] == [str(line) for line in lines]


def test_for_a_delay_lower_is_better() -> None:
    assert Bound(must=0.8, aim=0.6, lower_is_better=True).met(0.5, 0.6)
    assert not Bound(must=0.8, aim=0.6).met(0.5, 0.6)
