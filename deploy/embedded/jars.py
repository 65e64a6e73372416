"""Apache Kafka's jars, fetched once into a cache: by Maven where there is one, by jgo otherwise."""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from deploy.embedded.process import StartFailed, run

VERSION = "4.3.1"
DATA = Path(__file__).parent.parent / "data"
COORDINATES = DATA / f"kafka-{VERSION}.coordinates.txt"
HASHES = DATA / f"kafka-{VERSION}.sha256.txt"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


async def kafka_jars(progress: Callable[[str], None] = lambda _: None) -> list[Path]:
    """In the order of the coordinates. Two first starts side by side both fetch; the first to finish counts."""
    chosen = os.environ.get("ENTRAIDE_CACHE")
    cache = Path(chosen) if chosen else Path.home() / ".cache" / "entraide"
    folder = cache / f"kafka-{VERSION}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f"kafka-{VERSION}.", dir=cache))
        try:
            progress(f"fetching Apache Kafka {VERSION} (46 jars, 43 MB) into {folder}")
            await _fetch(draft)
            _adopt(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return [folder / f"{artifact}-{version}.jar" for _, artifact, version in _coordinates()]


async def _fetch(draft: Path) -> None:
    failures = []
    for fetch in (_by_maven, _by_jgo):
        try:
            await fetch(draft)
            _verify(draft)
            return
        except StartFailed as error:
            failures.append(str(error))
    raise StartFailed(
        "\n".join([f"Apache Kafka {VERSION} could not be fetched.", *failures])
        + "\nCheck the network and start again (a proxy or mirror goes into ~/.m2/settings.xml for mvn, into [repositories] of "
        "~/.config/jgo.conf for jgo), or use a broker you have: set ENTRAIDE_KAFKA_BOOTSTRAP, ENTRAIDE_KAFKA_ADMIN_USER and "
        "ENTRAIDE_KAFKA_ADMIN_PASSWORD."
    )


async def _by_maven(draft: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise StartFailed("mvn is not on PATH.")
    with tempfile.TemporaryDirectory() as folder:
        pom = Path(folder) / "pom.xml"
        pom.write_text(_pom())
        await run([maven, "--batch-mode", "--quiet", "--no-transfer-progress", f"--file={pom}", COPY, f"-DoutputDirectory={draft}"])


def _pom() -> str:
    """A project that asks for each jar alone: the pinned list is whole, and resolvers disagree on what lies below."""
    alone = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>{alone}</dependency>"
        for group, artifact, version in _coordinates()
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>entraide</groupId>'
        f"<artifactId>kafka</artifactId><version>{VERSION}</version><packaging>pom</packaging>"
        f"<dependencies>{dependencies}</dependencies></project>"
    )


async def _by_jgo(draft: Path) -> None:
    program = Path(__file__).with_name("fetch_by_jgo.py")
    await run([sys.executable, "-P", str(program), str(COORDINATES), str(draft)])


def _verify(draft: Path) -> None:
    for line in HASHES.read_text().splitlines():
        expected, name = line.split()
        jar = draft / name
        if not jar.exists():
            raise StartFailed(f"{name} is missing after the download.")
        if hashlib.sha256(jar.read_bytes()).hexdigest() != expected:
            jar.unlink()
            raise StartFailed(f"{name} is not the file we know: its sha256 differs.")


def _adopt(draft: Path, folder: Path) -> None:
    try:
        draft.rename(folder)
    except OSError:
        if not folder.exists():
            raise


def _coordinates() -> list[list[str]]:
    """Group, artifact, version."""
    return [line.split(":") for line in COORDINATES.read_text().split()]
