"""The linters we rely on refuse what they are there to refuse: each rule is tried on an example, in a tree of its own."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.rules.shape import ROOT

BAD_LINES = {
    "TID251 the wall clock": ("services/intake/domain.py", "from datetime import datetime\nNOW = datetime.now()\n", "TID251"),
    "TID251 a random id": ("services/intake/usecases.py", "import uuid\nID = uuid.uuid4()\n", "TID251"),
    "BLE001 a broad except": ("services/intake/api.py", "try:\n    pass\nexcept Exception:\n    pass\n", "BLE001"),
    "T201 a print": ("services/intake/api.py", "print('x')\n", "T201"),
    "SLF001 behind a private name": ("services/intake/api.py", "import json\njson._x()\n", "SLF001"),
    "PLC0415 an import inside": ("services/intake/api.py", "def f() -> None:\n    import json\n    json.dumps(1)\n", "PLC0415"),
}

BAD_IMPORTS = {
    "No service imports another": ("services/intake/usecases.py", "from services.billing import domain\n"),
    "The kit knows no service": ("services/kit/db.py", "from services.intake import domain\n"),
    "Contracts import nothing of ours": ("contracts/intake.py", "from services.kit import db\n"),
    "Services do not know how they are deployed": ("services/intake/main.py", "from deploy import stack\n"),
    "Doors call use cases": ("services/intake/store.py", "from services.intake import usecases\n"),
    "Doors call use cases, a stray file": ("services/intake/helpers.py", "X = 1\n"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_ruff_refuses(name: str) -> None:
    file, source, code = BAD_LINES[name]
    ran = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--stdin-filename", file, "--output-format", "concise", "-"],
        input=source, capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert code in ran.stdout


@pytest.mark.parametrize("name", BAD_IMPORTS)
def test_import_linter_refuses(name: str, tmp_path: Path) -> None:
    tree(tmp_path)
    assert lint(tmp_path).returncode == 0, lint(tmp_path).stdout
    file, source = BAD_IMPORTS[name]
    (tmp_path / file).write_text(source)
    ran = lint(tmp_path)
    assert ran.returncode == 1
    assert f"{name.partition(',')[0]}" in ran.stdout
    assert "BROKEN" in ran.stdout


def test_mypy_refuses_an_untyped_function(tmp_path: Path) -> None:
    (tmp_path / "loose.py").write_text("def f(x):\n    return x\n")
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "loose.py"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "no-untyped-def" in ran.stdout


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"], capture_output=True, text=True, cwd=folder, check=False,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


def tree(folder: Path) -> None:
    """Every package that the import contracts name, empty, with our own configuration."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    services = next(contract for contract in config["contracts"] if contract["type"] == "independence")["modules"]
    for package in ("services", "contracts", "deploy", "services.kit", *services):
        home = folder.joinpath(*package.split("."))
        home.mkdir(parents=True, exist_ok=True)
        (home / "__init__.py").touch()
    for service in services:
        for module in ("domain", "usecases", "store", "emits", "listens", "api", "settings", "main", "worker"):
            folder.joinpath(*service.split("."), f"{module}.py").touch()
    (folder / "services/kit/db.py").touch()
    (folder / "contracts/intake.py").touch()
    (folder / "deploy/stack.py").touch()
