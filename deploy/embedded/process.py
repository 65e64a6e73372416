"""Starting and ending the engines' processes."""

import asyncio
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


class StartFailed(Exception):
    """An engine did not come up; the text says what is missing and what to type."""


def own_folder(folder: Path) -> Path:
    """Its absolute path, once it exists."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder.resolve()


def free_port(wanted: int | None = None) -> int:
    """`wanted` when nothing listens there, otherwise another free port of 127.0.0.1."""
    # Below the ephemeral range: a client that reconnects while the engine is down could be given the engine's own port.
    for port in ([wanted] if wanted else []) + random.sample(range(10_000, 30_000), 50):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise StartFailed("No free port found between 10000 and 30000 on 127.0.0.1.")


def privileges(*, drop_root: bool = False, die_with_parent: signal.Signals | None = None) -> list[str]:
    """The words before a command that make it run as nobody when we are root, and end with its parent (Linux only).

    As nobody it keeps one capability, to pass file permissions: a checkout or a data folder in root's closed home works without
    opening that home to others. The securebit is for access(2), by which initdb looks for postgres and which else forgets capabilities.
    """
    drop = drop_root and os.geteuid() == 0
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        if drop:
            raise StartFailed("PostgreSQL refuses to run as root and `setpriv` is missing: install util-linux, or run as another user.")
        return []
    words = [setpriv]
    if drop:
        nobody = pwd.getpwnam("nobody")
        words += [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
        words += ["--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    if die_with_parent is not None and sys.platform == "linux":
        words += [f"--pdeathsig={die_with_parent.name.removeprefix('SIG')}"]
    return [*words, "--"] if len(words) > 1 else []


def spawn(command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """A server in a session of its own, so that Ctrl-C reaches us first.

    The kernel's parent-death signal follows the calling thread: call from one that lives as long as the program.
    """
    with log.open("ab") as out:
        return subprocess.Popen(list(command), stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, cwd="/", start_new_session=True)


async def run(command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
    """Raises StartFailed with the command's own words when it fails."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, cwd="/"
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise StartFailed(f"{' '.join(command[:12])} … ended with {process.returncode}:\n{output.decode(errors='replace')[-3000:]}")


async def end(process: subprocess.Popen[bytes], asks: signal.Signals, patience: float) -> None:
    """Asks first, kills after `patience` seconds."""
    if process.poll() is None:
        process.send_signal(asks)
        try:
            await asyncio.to_thread(process.wait, patience)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)


def tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log)"
