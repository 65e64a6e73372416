"""Tokens are what the services verify; keys change without anybody being signed out."""

import json
import os
import time
from pathlib import Path

import pytest

from services.gateway.domain import Sees
from services.gateway.tokens import LIFE_S, Signer, expiry, make_keys
from services.kit.auth import Verifier
from services.kit.errors import Unauthenticated

USER = "01890000-0000-7000-8000-000000000001"
PROVIDER = "01890000-0000-7000-8000-000000000002"
SEES = Sees(roles=("provider",), provider_id=PROVIDER)


def aged(file: Path, seconds: float) -> None:
    """As if it had been written earlier: two writes of one test may share an instant."""
    os.utime(file, (file.stat().st_atime, file.stat().st_mtime - seconds))


def test_a_service_reads_back_what_was_signed(tmp_path: Path) -> None:
    private, public = make_keys(tmp_path)
    token = Signer(private).sign(USER, SEES, ("dispatch:read", "dispatch:write"), csrf="c", lang="en", client_id="vert-tige")
    caller = Verifier("dispatch", public).verify(token)
    assert (caller.id, caller.roles, caller.provider_id) == (USER, {"provider"}, PROVIDER)
    assert caller.scopes == {"dispatch:read", "dispatch:write"}
    assert (caller.csrf, caller.language, caller.trail) == ("c", "en", "vert-tige")
    assert not caller.staff


def test_a_service_outside_the_audience_refuses(tmp_path: Path) -> None:
    private, public = make_keys(tmp_path)
    token = Signer(private).sign(USER, SEES, ("dispatch:read",))
    with pytest.raises(Unauthenticated):
        Verifier("billing", public).verify(token)


def test_a_token_says_when_it_ends_and_what_is_no_token_ends_at_once(tmp_path: Path) -> None:
    private, _ = make_keys(tmp_path)
    token = Signer(private).sign(USER, SEES, ("dispatch:read",))
    assert expiry(f"Bearer {token}".encode()) == pytest.approx(time.time() + LIFE_S, abs=5)
    for odd in (b"", b"Bearer x", b"Bearer a.b.c", b"Bearer a.bnVsbA.c", b"Basic eDp5", b"Bearer a.\xff\xfe.c"):
        assert expiry(odd) == 0


def test_keys_are_made_once_and_the_private_ones_are_nobody_elses(tmp_path: Path) -> None:
    private, public = make_keys(tmp_path / "keys")
    before = private.read_bytes()
    assert make_keys(tmp_path / "keys") == (private, public)
    assert private.read_bytes() == before
    assert private.stat().st_mode & 0o077 == 0
    assert all("d" not in key for key in json.loads(public.read_bytes())["keys"])


def test_a_new_key_signs_at_once_and_the_one_before_still_verifies(tmp_path: Path) -> None:
    private, public = make_keys(tmp_path)
    signer, verifier = Signer(private), Verifier("dispatch", public)
    tokens = [signer.sign(USER, SEES, ("dispatch:read",))]
    for _ in range(2):
        aged(private, 10), aged(public, 10)
        make_keys(tmp_path, renew=True)
        tokens.append(signer.sign(USER, SEES, ("dispatch:read",)))
    assert len(json.loads(public.read_bytes())["keys"]) == 2
    assert verifier.verify(tokens[2]).id == verifier.verify(tokens[1]).id == USER
    with pytest.raises(Unauthenticated):
        verifier.verify(tokens[0])
