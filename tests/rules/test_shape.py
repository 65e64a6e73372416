"""The house rules hold in the tree, and each refuses its bad example."""

from pathlib import Path

import pytest

from tests.rules import shape
from tests.rules.shape import ROOT, SERVICES

OURS = sorted(folder.name for folder in SERVICES.iterdir() if folder.is_dir() and folder.name not in {"kit", "__pycache__"})
SOURCES = sorted(path for top in ("services", "contracts", "deploy") for path in (ROOT / top).rglob("*.py"))
DOMAINS = [path for name in OURS for path in [SERVICES / name / "domain.py", *(SERVICES / name / "domain").glob("*.py")] if path.exists()]
SPEAKERS = [path for name in OURS for kind in ("usecases", "api", "pages", "listens", "emits")
            for path in [SERVICES / name / f"{kind}.py", *(SERVICES / name / kind).glob("*.py")] if path.exists()]  # fmt: skip


def where(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("service", OURS)
def test_a_service_holds_only_files_of_the_plan(service: str) -> None:
    folder = SERVICES / service
    modules = {path.stem for path in folder.glob("*.py")}
    assert shape.stray_names(service, modules, {path.name for path in folder.iterdir() if path.is_dir()}) == set()


def test_a_utils_module_would_be_refused() -> None:
    assert shape.stray_names("intake", {"domain", "utils"}, {"helpers"}) == {"utils", "helpers"}


@pytest.mark.parametrize("path", DOMAINS, ids=where)
def test_a_domain_imports_only_what_is_pure(path: Path) -> None:
    package = ".".join(path.relative_to(ROOT).parts[:3]).removesuffix(".py")
    assert shape.impure_imports(path.read_text(), package) == set()


@pytest.mark.parametrize(
    "line", ["import asyncio", "from services.kit.db import Transaction", "import asyncpg", "from contracts.intake import CaseOpened"]
)
def test_an_impure_import_would_be_refused(line: str) -> None:
    assert shape.impure_imports(line, "services.intake.domain")


@pytest.mark.parametrize("path", SOURCES, ids=where)
def test_only_the_kit_commits(path: Path) -> None:
    assert where(path) in shape.COMMITTERS or shape.commits(path.read_text()) == []


@pytest.mark.parametrize("line", ["tx.commit()", "await connection.rollback()", 'await conn.execute("commit;")', 'await conn.execute("BEGIN")'])
def test_a_commit_by_hand_would_be_refused(line: str) -> None:
    assert shape.commits(f"async def f():\n    {line}") == [2]


@pytest.mark.parametrize("path", SOURCES, ids=where)
def test_only_delivery_catches_everything(path: Path) -> None:
    assert where(path) in shape.BROAD or shape.broad_excepts(path.read_text()) == []


@pytest.mark.parametrize("clause", ["except Exception:", "except:", "except BaseException as e:"])
def test_a_broad_except_would_be_refused(clause: str) -> None:
    assert shape.broad_excepts(f"try:\n    f()\n{clause}\n    pass") == [3]


@pytest.mark.parametrize("path", SOURCES, ids=where)
def test_nothing_is_left_for_later(path: Path) -> None:
    assert shape.unfinished(path.read_text()) == []


@pytest.mark.parametrize("line", ["raise NotImplementedError", "raise NotImplementedError('later')", "return NotImplemented"])
def test_what_is_left_for_later_would_be_refused(line: str) -> None:
    assert shape.unfinished(f"def f():\n    {line}") == [2]


@pytest.mark.parametrize("path", SPEAKERS, ids=where)
def test_only_the_store_speaks_sql(path: Path) -> None:
    assert shape.sql_outside_store(path.read_text()) == []


@pytest.mark.parametrize("sql", ["select id from need where id = $1", "update need set status = $1", "insert into note (id) values ($1)"])
def test_sql_outside_the_store_would_be_refused(sql: str) -> None:
    assert shape.sql_outside_store(f"x = 1\nawait_ = {sql!r}") == [2]


@pytest.mark.parametrize("path", SOURCES, ids=where)
def test_array_literals_are_read_once(path: Path) -> None:
    assert shape.literals_read_per_row(path.read_text()) == []


@pytest.mark.parametrize("sql", ["id = any($1::text::uuid[])", "f(unnest($1::text::int[]), cardinality($1::text::int[]))", "{ids}::text::text[]"])
def test_an_array_literal_read_for_each_row_would_be_refused(sql: str) -> None:
    assert shape.literals_read_per_row(f"x = 1\nsql = f{sql!r}") == [2]


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=where)
def test_no_test_sleeps(path: Path) -> None:
    assert shape.sleeps(path.read_text()) == []


@pytest.mark.parametrize("line", ["time.sleep(1)", "asyncio.sleep(0.1)"])
def test_a_sleeping_test_would_be_refused(line: str) -> None:
    assert shape.sleeps(line) == [1]
