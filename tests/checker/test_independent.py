"""The checker shares nothing with what it checks, not even a mistake."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
STRANGE = ("services", "contracts", "deploy", "tests")


def strange(source: str) -> list[str]:
    """Modules of ours that a source imports, those of the checker left out."""
    return [name for name in _imports(ast.parse(source)) if name.split(".")[0] in STRANGE and not f"{name}.".startswith("tests.checker.")]


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from (str(argument.value) for argument in node.args if isinstance(argument, ast.Constant))


@pytest.mark.parametrize("path", sorted(HERE.glob("*.py")), ids=lambda path: path.name)
def test_the_checker_imports_nothing_of_the_platform(path: Path) -> None:
    assert strange(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "import services.kit.outbox",
        "from contracts.case_state import apply",
        "from contracts import registry",
        "from tests.kit import harness",
        "def late():\n    from deploy.topics import Broker",
        "import importlib\nimportlib.import_module('contracts.envelope')",
    ],
)
def test_an_import_of_the_platform_would_be_refused(line: str) -> None:
    assert len(strange(line)) == 1
