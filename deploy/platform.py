"""One running platform on this machine: the engines, every service's two processes, and the gateway in front of them."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

from deploy.embedded.process import StartFailed, tail
from deploy.passwords import password
from deploy.stack import Stack
from deploy.supervisor import ROOT, Process, listening_socket
from services.gateway.tokens import make_keys
from services.kit.migrate import migrate

SERVICES = ("intake", "reference", "dispatch", "tracking", "billing")
RUNNING = Path(os.environ.get("XDG_STATE_HOME", Path.home() / ".local/state")) / "entraide"

Progress = Callable[[str], None]


@dataclass
class Platform:
    """`url` is the gateway's: the one origin for people and machines."""

    stack: Stack
    url: str = ""
    processes: list[Process] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _note: Path | None = None

    @classmethod
    async def prepare(cls, folder: Path | None = None, progress: Progress = lambda _: None) -> Self:
        """Engines, keys and schemas, no service yet: what a seed needs. Raises `StartFailed`."""
        progress("starting PostgreSQL and Kafka")
        stack = await Stack.up(folder, progress=progress)
        try:
            progress("migrating the databases")
            async with asyncio.TaskGroup() as group:
                for service in (*SERVICES, "gateway"):
                    group.create_task(migrate_service(stack, service))
        except BaseException:
            await stack.down()
            raise
        return cls(stack)

    async def start(self, settings: Mapping[str, str] | None = None, progress: Progress = lambda _: None) -> None:
        """Starts every process and waits until each answers. `settings` go to all of them, and win over the defaults."""
        progress("starting the services")
        sockets = {service: listening_socket() for service in (*SERVICES, "gateway")}
        addresses = {service: f"http://127.0.0.1:{made.getsockname()[1]}" for service, made in sockets.items()}
        self.url = addresses.pop("gateway")
        logs = self.stack.folder / "logs"
        logs.mkdir(exist_ok=True)
        secrets = self.stack.folder / "secrets"
        signing_keys, public_keys = make_keys(secrets)
        ticket_keys, public_ticket_keys = make_keys(secrets / "tickets")
        for service, made in sockets.items():
            environment = {
                **self.stack.environment(service),
                "ENTRAIDE_JWKS_FILE": str(public_keys),
                "ENTRAIDE_SERVICES": json.dumps(addresses),
                "ENTRAIDE_SIGNING_KEYS_FILE": str(signing_keys),
                "ENTRAIDE_CSRF_SECRET": password(secrets, "csrf"),
                **({"ENTRAIDE_OPS_PORT": "0", "ENTRAIDE_TICKET_JWKS_FILE": str(public_ticket_keys)} if service == "gateway" else {}),
                **({"ENTRAIDE_TICKET_KEYS_FILE": str(ticket_keys)} if service == "reference" else {}),
                **(settings or {}),
            }
            self.processes.append(Process(f"{service}-web", f"services.{service}.main", environment, logs / f"{service}-web.log", made))
            self.processes.append(Process(f"{service}-worker", f"services.{service}.worker", environment, logs / f"{service}-worker.log"))
        self._tasks = [asyncio.create_task(process.run()) for process in self.processes]
        await asyncio.gather(*(_answers(process, address) for process, address in self._webs(addresses)))
        self._write_note()

    async def down(self) -> None:
        await asyncio.gather(*(process.stop() for process in self.processes))
        await asyncio.gather(*self._tasks)
        for process in self.processes:
            if process.listens:
                process.listens.close()
        if self._note:
            self._note.unlink(missing_ok=True)
        await self.stack.down()

    def add_worker(self, service: str) -> None:
        """One more of the same: they share the work, and each takes over from the other."""
        first = self.process(f"{service}-worker")
        number = 1 + sum(process.module == first.module for process in self.processes)
        name = f"{first.name}-{number}"
        added = Process(name, first.module, {**first.environment, "ENTRAIDE_INSTANCE": str(number)}, first.log.with_name(f"{name}.log"))
        self.processes.append(added)
        self._tasks.append(asyncio.create_task(added.run()))

    def process(self, name: str) -> Process:
        return next(process for process in self.processes if process.name == name)

    def _webs(self, addresses: Mapping[str, str]) -> list[tuple[Process, str]]:
        known = {**addresses, "gateway": self.url}
        return [(process, known[process.name.removesuffix("-web")]) for process in self.processes if process.listens]

    def _write_note(self) -> None:
        """Where this platform is, for the other commands of `entraide`; readable by its owner only."""
        RUNNING.mkdir(parents=True, exist_ok=True)
        self._note = RUNNING / f"{os.getpid()}.json"
        self._note.touch(mode=0o600)
        self._note.write_text(json.dumps({"url": self.url, "folder": str(self.stack.folder), "pid": os.getpid(), **connections(self.stack)}))


def connections(stack: Stack) -> dict[str, object]:
    """What a tool beside the platform needs to look into it: databases as staff, the log as admin."""
    return {
        "databases": {service: stack.environment(service)["ENTRAIDE_DATABASE_URL"] for service in (*SERVICES, "gateway")},
        "kafka": {"bootstrap": stack.broker.bootstrap, "user": stack.broker.user, "password": stack.broker.password},
    }


async def migrate_service(stack: Stack, service: str) -> None:
    await migrate(stack.environment(service, migrating=True)["ENTRAIDE_DATABASE_URL_OWNER"], ROOT / "services" / service / "migrations")


@contextlib.asynccontextmanager
async def running(settings: Mapping[str, str] | None = None, progress: Progress = lambda _: None) -> AsyncIterator[Platform]:
    """A platform in a temporary folder, gone afterwards."""
    platform = await Platform.prepare(progress=progress)
    try:
        await platform.start(settings, progress)
        yield platform
    finally:
        await platform.down()


async def _answers(process: Process, address: str, seconds: float = 60) -> None:
    try:
        async with asyncio.timeout(seconds), httpx.AsyncClient(base_url=address, timeout=2) as client:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if not (await client.get("/health/live")).is_server_error:  # 404 at the gateway's public door
                        return
                if process.restarts >= 3:
                    raise TimeoutError
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise StartFailed(f"{process.name} does not start. Its last words:\n{tail(process.log)}") from None
