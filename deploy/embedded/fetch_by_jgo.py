"""A program of its own, so that it can be stopped: `python fetch_by_jgo.py COORDINATES FOLDER` puts each jar into the folder."""

import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import requests
from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext


def fetch(context: MavenContext, folder: Path, coordinate: str) -> None:
    group, artifact, version = coordinate.split(":")
    try:
        jar = context.project(group, artifact).at_version(version).artifact().resolve()
    except (requests.RequestException, RuntimeError, OSError) as error:
        raise SystemExit(f"{coordinate}: {error}") from error
    shutil.copy(jar, folder)


def main(coordinates: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as repository, ThreadPoolExecutor(8) as pool:
        remote = {"central": MAVEN_CENTRAL_URL} | GlobalSettings.load().repositories
        context = MavenContext(repo_cache=Path(repository), remote_repos=remote, timeout=30)
        list(pool.map(partial(fetch, context, folder), coordinates.read_text().split()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
