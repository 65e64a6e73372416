"""A token is believed when this platform signed it, for this service, and it is still valid."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable

import httpx
import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.conftest import eventually
from tests.kit.harness import Lab
from tests.kit.web import Keys


def part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def unsigned(keys: Keys, audience: str) -> str:
    _, claims, _ = keys.token(audience).split(".")
    return f"{part(orjson.dumps({'alg': 'none', 'kid': keys.key.kid}))}.{claims}."


def signed_with_the_public_key(keys: Keys, audience: str) -> str:
    """The old trick: the public key's text as a secret."""
    head, claims = part(orjson.dumps({"alg": "HS256", "kid": keys.key.kid})), keys.token(audience).split(".")[1]
    signature = hmac.new(keys.key.as_pem(private=False), f"{head}.{claims}".encode(), hashlib.sha256).digest()
    return f"{head}.{claims}.{part(signature)}"


def signed_by_another(keys: Keys, audience: str, kid: str) -> str:
    claims = jwt.decode(keys.token(audience), keys.key, algorithms=["ES256"]).claims
    return jwt.encode({"alg": "ES256", "kid": kid}, claims, ECKey.generate_key("P-256", {"kid": kid}))


def tampered(keys: Keys, audience: str) -> str:
    head, _, signature = keys.token(audience).split(".")
    return f"{head}.{keys.token(audience, roles=['admin']).split('.')[1]}.{signature}"


BAD: dict[str, Callable[[Keys, str], str]] = {
    "for another service": lambda keys, us: keys.token("billing"),
    "for another service, as a text": lambda keys, us: keys.token("billing", aud="billing"),
    "for nobody": lambda keys, us: keys.token(us, aud=...),
    "from another issuer": lambda keys, us: keys.token(us, iss="elsewhere"),
    "expired": lambda keys, us: keys.token(us, exp=int(time.time()) - 10),
    "without expiry": lambda keys, us: keys.token(us, exp=...),
    "without subject": lambda keys, us: keys.token(us, sub=...),
    "not signed": unsigned,
    "signed by HS256 with the public key": signed_with_the_public_key,
    "signed by a key we do not know": lambda keys, us: signed_by_another(keys, us, "unknown"),
    "signed by another key of our name": lambda keys, us: signed_by_another(keys, us, keys.key.kid or ""),
    "tampered with": tampered,
    "rubbish": lambda keys, us: "a.b.c",
    "one part": lambda keys, us: "abc",
    "empty parts": lambda keys, us: "..",
    "no object": lambda keys, us: "MQ.MQ.MQ",
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_token_is_refused_that_is(lab: Lab, web: httpx.AsyncClient, keys: Keys, kind: str) -> None:
    web.headers["authorization"] = f"Bearer {BAD[kind](keys, lab.sender.name)}"
    answer = await web.get("/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi"])
async def test_without_a_bearer_token_nobody_is_known(web: httpx.AsyncClient, header: str) -> None:
    web.headers["authorization"] = header
    assert (await web.get("/me")).status_code == 401


async def test_a_good_token_is_believed_again_until_its_expiry(lab: Lab, web: httpx.AsyncClient, keys: Keys) -> None:
    assert [(await web.get("/me")).json() for _ in range(2)] == [{"id": "claire"}] * 2


@pytest.mark.parametrize("changed", [{"scope": "other:write"}, {"scope": ...}, {"roles": ["finance"]}, {"roles": []}])
async def test_a_good_token_without_the_scope_or_role_is_forbidden(lab: Lab, web: httpx.AsyncClient, keys: Keys, changed: dict[str, object]) -> None:
    web.headers["authorization"] = f"Bearer {keys.token(lab.sender.name, **changed)}"
    answer = await web.get("/me")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_keys_rotate_by_changing_the_file(lab: Lab, web: httpx.AsyncClient, keys: Keys) -> None:
    assert (await web.get("/me")).status_code == 200  # and is remembered
    keys.rotate("second")
    newer = {"authorization": f"Bearer {keys.token(lab.sender.name)}"}
    assert (await web.get("/me", headers=newer)).status_code == 200
    assert (await web.get("/me")).status_code == 401


async def test_a_key_that_is_taken_away_is_trusted_for_a_second_at_most(web: httpx.AsyncClient, keys: Keys) -> None:
    assert (await web.get("/me")).status_code == 200
    keys.rotate("third")

    async def refused() -> bool:
        return (await web.get("/me")).status_code == 401

    await eventually(refused, seconds=2)
