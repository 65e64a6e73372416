"""One compose project for a test: a name, secrets and a port of its own; gone afterwards, with what it stored."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uuid_utils

from deploy.containers import compose_command, write_secrets
from deploy.embedded.process import free_port

ROOT = Path(__file__).parents[2]


@dataclass
class Project:
    name: str
    secrets: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, *words: str, patience: float = 900) -> str:
        """docker-compose with these words; its output. Fails with what it said."""
        return self._said([*compose_command(), *words], patience)

    def entraide(self, *words: str | Path) -> str:
        """The operator's command on this machine; its output. Fails with what it said."""
        return self._said([sys.executable, "-m", "deploy", "--containers", *map(str, words)], patience=120)

    def _said(self, words: list[str], patience: float) -> str:
        environment = os.environ | {"COMPOSE_PROJECT_NAME": self.name, "ENTRAIDE_SECRETS": str(self.secrets), "ENTRAIDE_PORT": str(self.port)}
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=patience, check=False)
        assert done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def states(self) -> dict[str, str]:
        """Container → `healthy`, `starting`, `unhealthy`, or its state where nobody looks after it."""
        found = {}
        for container in self.run("ps", "--quiet", "--all").split():
            told = json.loads(subprocess.run(["docker", "inspect", container], capture_output=True, text=True, check=True).stdout)[0]
            state = told["State"]
            health = state.get("Health", {}).get("Status")
            found[told["Config"]["Labels"]["com.docker.compose.service"]] = health or f"{state['Status']} {state['ExitCode']}"
        return found

    def last_words(self) -> str:
        """Of every container that is not well."""
        bad = [name for name, state in self.states().items() if state not in ("healthy", "exited 0")]
        return self.run("logs", "--tail", "30", *bad) if bad else ""


@contextmanager
def up(secrets: Path) -> Iterator[Project]:
    write_secrets(secrets)
    project = Project(f"entraide-test-{uuid_utils.uuid7().hex[-8:]}", secrets, free_port())
    try:
        project.run("up", "--detach", "--build")
        yield project
    except BaseException:
        print(project.last_words())
        raise
    finally:
        project.run("down", "--volumes", "--timeout", "5")
