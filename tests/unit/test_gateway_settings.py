"""The gateway does not start on a secret that everybody knows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.gateway.settings import Settings, weakness
from services.gateway.tokens import make_keys

ROOT = Path(__file__).parents[2]
DRAWN = "Zq4kT9-vPw2_mB7xLr8s"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    private, public = make_keys(tmp_path)
    given = {
        "DATABASE_URL": f"postgresql://gateway_staff:{DRAWN}@127.0.0.1/entraide_gateway",
        "DATABASE_URL_OUTSIDE": f"postgresql://gateway_outside:{DRAWN}@127.0.0.1/entraide_gateway",
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "KAFKA_USER": "gateway",
        "KAFKA_PASSWORD": DRAWN,
        "JWKS_FILE": str(public),
        "SIGNING_KEYS_FILE": str(private),
        "CSRF_SECRET": DRAWN,
        "SERVICES": '{"intake": "http://127.0.0.1:1"}',
        "SECRETS_DIR": str(tmp_path / "none"),
    }
    for name in list(os.environ):
        if name.startswith("ENTRAIDE_"):
            monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(f"ENTRAIDE_{name}", value)
    return monkeypatch


def test_it_starts_on_secrets_drawn_by_chance(environment: pytest.MonkeyPatch) -> None:
    assert Settings.read().services == {"intake": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CSRF_SECRET", "changeme-changeme-changeme", "sample"),
        ("CSRF_SECRET", "k9-Wq", "shorter"),
        ("KAFKA_PASSWORD", "Secret-123", "sample"),
        ("DATABASE_URL", "postgresql://gateway_staff:postgres@127.0.0.1/x", "sample"),
        ("DATABASE_URL_OUTSIDE", "postgresql://gateway_outside:Demo-Password-1234@127.0.0.1/x", "sample"),
        ("SIGNING_KEYS_FILE", "/nowhere/keys.json", "no such file"),
    ],
)
def test_a_sample_secret_is_refused_by_name_and_never_repeated(environment: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    environment.setenv(f"ENTRAIDE_{name}", value)
    with pytest.raises(SystemExit) as stopped:
        Settings.read()
    words = str(stopped.value)
    assert f"ENTRAIDE_{name}: " in words
    assert said in words
    assert "make secrets" in words
    assert value not in words


@pytest.mark.parametrize("name", ["CSRF_SECRET", "KAFKA_PASSWORD", "SIGNING_KEYS_FILE", "SERVICES"])
def test_a_missing_setting_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(f"ENTRAIDE_{name}")
    with pytest.raises(SystemExit, match=f"ENTRAIDE_{name}: missing"):
        Settings.read()


def test_the_demo_may_use_a_known_secret_but_not_none(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ENTRAIDE_CSRF_SECRET", "demo")
    environment.setenv("ENTRAIDE_DEMO", "true")
    assert Settings.read().demo
    environment.delenv("ENTRAIDE_CSRF_SECRET")
    with pytest.raises(SystemExit, match="ENTRAIDE_CSRF_SECRET: missing"):
        Settings.read()


def test_the_process_ends_before_it_listens(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ENTRAIDE_CSRF_SECRET", "changeme")
    ended = subprocess.run([sys.executable, "-m", "services.gateway.main"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "ENTRAIDE_CSRF_SECRET: a sample or known value" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("drawn", ["demoxR7-qLw92_zTk4mB", "Key-9vQz7Lm2Wx4Tr8Bn", DRAWN])
def test_a_drawn_secret_that_begins_like_a_sample_is_good(drawn: str) -> None:
    assert weakness(drawn) is None
