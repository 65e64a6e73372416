"""A test marked `docker` needs a Docker engine; without one it is skipped, and says so."""

import pytest

from tests import containers


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "docker: needs a Docker engine")


@pytest.fixture(autouse=True, scope="session")
def engine() -> bool:
    return containers.engine_answers()


@pytest.fixture(autouse=True)
def _skip_without_engine(request: pytest.FixtureRequest, engine: bool) -> None:
    if request.node.get_closest_marker("docker") and not engine:
        pytest.skip("no Docker engine")
