"""`entraide`: the commands there are, and the way to a platform in containers, by a docker-compose that only takes notes."""

import os
import re
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = {"demo", "up", "down", "status", "stuck", "replay", "rebuild", "republish", "bench", "feed", "provider", "person", "secrets"}
COMPOSE = """\
#!{python}
import sys
from pathlib import Path
words = sys.argv[1:]
with open({notes!r}, "a") as notes:
    print(*words, sep="\\t", file=notes)
if words[0] == "ps":
    print({containers!r})
if words[0] == "port":
    print("127.0.0.1:8080")
if words[0] == "run":
    for place in [word for word in words if word.endswith(":ro")]:
        file = Path(place.split(":")[0])
        print(file.read_text(), oct(file.stat().st_mode)[-3:], oct(file.parent.stat().st_mode)[-3:])
    sys.exit(7)
"""


class Machine:
    """Where no platform runs but, when there are containers, that of docker-compose."""

    def __init__(self, folder: Path, containers: str) -> None:
        self.folder = folder
        self._notes = folder / "notes"
        compose = folder / "bin" / "docker-compose"
        compose.parent.mkdir()
        compose.write_text(COMPOSE.format(python=sys.executable, notes=str(self._notes), containers=containers))
        compose.chmod(0o755)
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("ENTRAIDE_")}
        self._environment |= {"PATH": str(compose.parent), "XDG_STATE_HOME": str(folder), "PYTHONPATH": str(ROOT), "LOGNAME": "odile"}

    def entraide(self, *words: str | Path) -> CompletedProcess[str]:
        command = [sys.executable, "-m", "deploy", *map(str, words)]
        return subprocess.run(command, cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=60, check=False)

    def composed(self) -> list[list[str]]:
        """What docker-compose was told."""
        return [line.split("\t") for line in self._notes.read_text().splitlines()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, containers="0a1b2c")


def test_the_help_lists_every_command(machine: Machine) -> None:
    said = machine.entraide("--help")
    assert set(re.findall(r"^│ (\w+) ", said.stdout, re.MULTILINE)) == COMMANDS


def test_where_nothing_runs_it_says_what_to_type(tmp_path: Path) -> None:
    said = Machine(tmp_path, containers="").entraide("status")
    assert said.returncode == 1
    assert "make demo" in said.stderr and "make up" in said.stderr


@pytest.mark.parametrize(
    "words", [("status",), ("stuck", "list"), ("stuck", "retry", "cases", "k", "-s", "intake", "-r", "mended"), ("provider", "list")]
)
def test_a_platform_in_containers_is_asked_from_inside(machine: Machine, words: tuple[str, ...]) -> None:
    said = machine.entraide("--containers", *words)
    assert said.returncode == 7
    run = machine.composed()[-1]
    assert run[:3] == ["run", "--rm", "--no-deps"]
    assert run[run.index("setup") :] == ["setup", "python", "-m", "deploy", *words]
    assert {"ENTRAIDE_URL=http://127.0.0.1:8080", "LOGNAME=odile"} <= set(run)


def test_without_another_platform_the_containers_are_found(machine: Machine) -> None:
    assert machine.entraide("rebuild").returncode == 7
    assert [words[0] for words in machine.composed()] == ["ps", "port", "run"]


def test_files_are_shown_to_the_containers_as_copies_that_they_can_read(machine: Machine) -> None:
    (machine.folder / "members-1.csv").write_text("closed to others")
    (machine.folder / "members-1.csv").chmod(0o600)

    said = machine.entraide("feed", "load", "./members-1.csv")

    assert said.stdout.strip() == "closed to others 644 700"
    run = machine.composed()[-1]
    assert run[-2:] == ["load", "/files/0/members-1.csv"]
    [place] = [word for word in run if word.endswith(":ro")]
    assert place.split(":")[1] == "/files/0/members-1.csv"
    assert not Path(place.split(":")[0]).exists()
