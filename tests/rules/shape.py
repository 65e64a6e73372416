"""House rules that no linter has: what a file of a service may be called, import and call."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVICES = ROOT / "services"

NAMES = {
    "__init__", "domain", "usecases", "store", "emits", "listens", "api", "pages", "settings", "main", "worker",
}  # fmt: skip
FOLDERS = {"domain", "usecases", "store", "emits", "listens", "api", "pages", "templates", "migrations", "locale", "__pycache__"}
EXTRA = {  # what one service alone has, each with its reason
    "gateway": {
        "routes": "the one table of addresses",
        "proxy": "passes requests on",
        "upstream": "connections to the services",
        "tokens": "signs access tokens",
        "sessions": "browser sessions",
    },
    "tracking": {"rebuild": "the command that builds the views anew", "stream": "live updates"},
}
PURE = {
    "services.kit.errors", "contracts.reasons", "rapidfuzz.distance",  # which computes, and nothing else
}  # fmt: skip
IMPURE_STDLIB = {"asyncio", "socket", "subprocess", "os", "pathlib", "sqlite3", "threading", "time", "random", "secrets", "urllib", "http", "logging"}
COMMITTERS = {"services/kit/db.py"}
BROAD = {"services/kit/consumer.py", "services/kit/relay.py", "services/kit/app.py", "services/kit/drainer.py", "services/kit/deadlines.py"}


def stray_names(service: str, names: set[str], folders: set[str] = frozenset()) -> set[str]:  # type: ignore[assignment]
    """Modules and folders of a service that the plan does not know."""
    return {name for name in names if name not in NAMES | set(EXTRA.get(service, {}))} | {name for name in folders if name not in FOLDERS}


def impure_imports(source: str, package: str) -> set[str]:
    """What a domain module imports beyond the pure part of the standard library and its own package."""
    found = set()
    for name in _imports(ast.parse(source)):
        top = name.partition(".")[0]
        if name in PURE or name.startswith(package) or any(name.startswith(f"{pure}.") for pure in PURE):
            continue
        if top not in sys.stdlib_module_names or top in IMPURE_STDLIB:
            found.add(name)
    return found


def commits(source: str) -> list[int]:
    """Lines that commit or roll back by hand, in Python or in SQL."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"commit", "rollback"}:
            holder = ast.unparse(node.func.value)
            if "kafka" not in holder:
                lines.append(node.lineno)
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value.strip().lower().rstrip(";") in {"commit", "rollback", "begin"}
        ):
            lines.append(node.lineno)
    return lines


def broad_excepts(source: str) -> list[int]:
    """Lines that catch everything and do not raise it again."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
        and not isinstance(node.body[-1], ast.Raise)
    ]


def sql_outside_store(source: str) -> list[int]:
    """Lines of a use case or a door that speak SQL."""
    verbs = ("select ", "insert into ", "update ", "delete from ", "with ")
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lower().startswith(verbs) and " " in node.value.strip()
        and any(word in node.value.lower() for word in (" from ", " set ", " values", "into "))
    ]  # fmt: skip


def literals_read_per_row(source: str) -> list[int]:
    """Lines that take an array literal elsewhere than in `unnest`, where it is read once: see `services/kit/arrays.py`."""
    lines = []
    for found in re.finditer(r"::text::\w+\[\]", source):
        before = source[: found.start()]
        _, called, rest = before.rpartition("unnest(")
        if not called or any(rest[:end].count(")") > rest[:end].count("(") for end in range(len(rest) + 1)):
            lines.append(before.count("\n") + 1)
    return lines


def unfinished(source: str) -> list[int]:
    """Lines that may be reached and do nothing yet: what is abstract says so to the type checker."""
    return [
        node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name) and node.id in {"NotImplementedError", "NotImplemented"}
    ]


def loose_numbers(source: str) -> list[int]:
    """Lines of a door that make a number of a text by hand: `services.kit.bounds` refuses what is too much."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"int", "Decimal"} and not isinstance(node.args[0], ast.Constant)
    ]


def sleeps(source: str) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "asyncio.sleep", "sleep"}
    ]


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
