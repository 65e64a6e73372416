"""Fails when fewer tests ran than are known to exist, or when one was skipped without a listed reason."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

HERE = Path(__file__).parent
minimum = int((HERE / "minimum-tests").read_text())
allowed = [line.strip() for line in (HERE / "allowed-skips").read_text().splitlines() if line.strip() and not line.startswith("#")]

suites = list(ET.parse(sys.argv[1]).getroot().iter("testsuite"))
skipped = [
    (case.get("classname"), case.get("name"), skip.get("message") or "")
    for suite in suites
    for case in suite.iter("testcase")
    for skip in case.iter("skipped")
]
ran = sum(int(suite.get("tests", 0)) for suite in suites) - len(skipped)
unlisted = [one for one in skipped if not any(reason in one[2] for reason in allowed)]
print(f"{ran} tests ran, at least {minimum} must; {len(skipped)} skipped, {len(unlisted)} of them without a listed reason")
for one in unlisted:
    print("skipped without a listed reason:", *one)
sys.exit(1 if unlisted or ran < minimum else 0)
