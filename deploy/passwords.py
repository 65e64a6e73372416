"""Generated passwords, one file each, readable by their owner only."""

import os
import secrets
from pathlib import Path


def password(folder: Path, name: str) -> str:
    """The password kept in `folder/name`, made on first use and never overwritten, whoever comes first."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / name
    if not file.exists():
        draft = folder / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(secrets.token_hex(24))  # letters and digits mean themselves in a URL, a JAAS file and on a command line
        try:
            os.link(draft, file)
        except FileExistsError:  # another process made it meanwhile: theirs counts
            pass
        finally:
            draft.unlink()
    return file.read_text().strip()
