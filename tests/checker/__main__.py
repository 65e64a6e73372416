"""`python -m tests.checker <config.json>`: the verdict as the last line, exit status 0 when nothing was found."""

import asyncio
import json
import sys
import time
from pathlib import Path

from tests.checker.collect import collect, say
from tests.checker.verdict import verdict


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m tests.checker <config.json>", file=sys.stderr)
        return 2
    began = time.monotonic()
    inputs = asyncio.run(collect(json.loads(Path(arguments[0]).read_text(encoding="utf-8"))))
    say(f"collected in {time.monotonic() - began:.1f} s")
    found = verdict(inputs)
    for finding in found["findings"]:
        say(f"{finding['kind']}: {finding['what']}")
    say(f"{len(found['findings'])} findings in {time.monotonic() - began:.1f} s")
    print(json.dumps(found))
    return 1 if found["findings"] else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
