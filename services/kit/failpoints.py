"""Named places where a test stops a process, to kill it there. Off, and free, unless ENTRAIDE_FAILPOINT names one."""

import os
import signal
from pathlib import Path

_ARMED = os.environ.get("ENTRAIDE_FAILPOINT", "")
_SKIP = int(os.environ.get("ENTRAIDE_FAILPOINT_SKIP", "0"))
_hits = 0


def hit(name: str) -> None:
    """Writes the marker file named by ENTRAIDE_FAILPOINT_FILE and stops this process, when `name` is armed."""
    global _hits  # noqa: PLW0603 - one process, one armed point
    if not _ARMED or name != _ARMED:
        return
    _hits += 1
    if _hits <= _SKIP:
        return
    Path(os.environ["ENTRAIDE_FAILPOINT_FILE"]).write_text(name)
    os.kill(os.getpid(), signal.SIGSTOP)
