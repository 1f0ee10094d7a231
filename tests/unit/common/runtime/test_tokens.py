"""Operator tokens: right key, right role, right district, not too old; anything else is refused."""

import base64
import json
from datetime import timedelta
from typing import Annotated

import httpx2
import jwt
import pytest
from fastapi import Depends, FastAPI

from roster_common.errors import Fatal
from roster_common.runtime.problems import Problem, install_problem_handlers
from roster_common.runtime.tokens import (
    ROLES,
    Operator,
    Operators,
    TokenRefused,
    mint,
    new_keypair,
    public_key_of,
)
from roster_common.testkit.clock import FixedClock

PRIVATE, PUBLIC = new_keypair()
OTHER_PRIVATE, _ = new_keypair()
CLOCK = FixedClock()
SPKI_PREFIX = bytes.fromhex("302a300506032b6570032100")


def _token(**given: object) -> str:
    defaults = {"subject": "op-1", "role": "operator", "districts": ["d1"], "now": CLOCK.now()}
    return mint(given.pop("key", PRIVATE), **{**defaults, **given})


def _signed(**claims: object) -> str:
    now = int(CLOCK.now().timestamp())
    whole = {
        "sub": "op-1",
        "roles": ["viewer"],
        "districts": "*",
        "aud": "homeroom-operators",
        "iat": now,
        "exp": now + 60,
        "jti": "j-1",
        **claims,
    }
    kept = {name: value for name, value in whole.items() if value is not None}
    return jwt.encode(kept, PRIVATE, algorithm="EdDSA")


def _verify(token: str, *, later_s: float = 0, key: str | None = PUBLIC) -> Operator | TokenRefused:
    clock = FixedClock(CLOCK.now())
    clock.advance(later_s)
    return Operators(key, clock).verify(token)


def test_a_token_gives_its_role_and_districts():
    found = _verify(_token(role="approver", districts=["d1", "d2"]))

    assert isinstance(found, Operator)
    assert (found.subject, found.role, found.districts) == (
        "op-1",
        "approver",
        frozenset({"d1", "d2"}),
    )


def test_a_star_covers_every_district():
    found = _verify(_token(districts="*"))

    assert isinstance(found, Operator)
    assert found.may_see("anything")


def test_a_district_outside_the_token_does_not_exist():
    found = _verify(_token(districts=["d1"]))

    assert isinstance(found, Operator)
    found.ensure("d1")
    with pytest.raises(Problem) as caught:
        found.ensure("d2")
    assert caught.value.status == 404


def test_a_token_ends_with_its_lifetime():
    token = _token(lifetime=timedelta(hours=1))

    assert isinstance(_verify(token, later_s=3_599), Operator)
    assert _verify(token, later_s=3_631) == TokenRefused(reason="expired")


def test_a_token_of_another_key_is_refused():
    assert _verify(_token(key=OTHER_PRIVATE)) == TokenRefused(reason="bad_signature")


def test_without_a_key_every_token_is_refused():
    assert _verify(_token(), key=None) == TokenRefused(reason="no_operator_key")


def test_an_unsigned_token_is_refused():
    claims = json.loads(base64.urlsafe_b64decode(_token().split(".")[1] + "=="))

    refused = _verify(jwt.encode(claims, None, algorithm="none"))

    assert refused == TokenRefused(reason="bad_signature")


def test_the_public_key_is_not_taken_for_a_shared_secret():
    claims = json.loads(base64.urlsafe_b64decode(_token().split(".")[1] + "=="))
    forged = jwt.encode(claims, base64.b64decode(PUBLIC), algorithm="HS256")

    assert _verify(forged) == TokenRefused(reason="bad_signature")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 10_000, "..", "é.é.é"])
def test_what_is_no_token_is_refused(token):
    assert _verify(token) == TokenRefused(reason="malformed")


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "someone-else"},
        {"aud": None},
        {"jti": None},
        {"exp": None},
        {"sub": ""} | {"sub": None},
        {"roles": []},
        {"roles": ["root"]},
        {"roles": "admin"},
        {"districts": None},
        {"districts": [1]},
        {"iat": int(CLOCK.now().timestamp()) + 600, "exp": int(CLOCK.now().timestamp()) + 700},
        {"exp": int(CLOCK.now().timestamp()) + 12 * 3_600 + 1},
    ],
)
def test_claims_outside_the_rule_are_refused(claims):
    assert _verify(_signed(**claims)) == TokenRefused(reason="bad_claims")


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(hours=12, seconds=1)])
def test_no_token_is_minted_for_longer_than_12_hours_or_for_nothing(lifetime):
    with pytest.raises(Fatal):
        _token(lifetime=lifetime)


def test_a_public_key_may_be_given_as_pem():
    der = SPKI_PREFIX + base64.b64decode(PUBLIC)
    pem = (
        f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(der).decode()}\n-----END PUBLIC KEY-----\n"
    )

    assert isinstance(_verify(_token(), key=pem), Operator)
    assert public_key_of(PRIVATE) == PUBLIC


@pytest.mark.parametrize("key", ["", "nonsense", "aGk=", "-----BEGIN PUBLIC KEY-----"])
def test_what_is_no_public_key_stops_the_start(key):
    with pytest.raises(Fatal):
        Operators(key)


def _app() -> FastAPI:
    app = FastAPI()
    install_problem_handlers(app)
    operators = Operators(PUBLIC, CLOCK)

    @app.get("/holds")
    async def holds(operator: Annotated[Operator, Depends(operators.require("approver"))]) -> str:
        return operator.role

    return app


async def _get(headers: dict[str, str]) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=_app())
    async with httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
        return await client.get("/holds", headers=headers)


@pytest.mark.parametrize("role", ROLES)
async def test_a_page_opens_for_its_role_and_those_above(role):
    answer = await _get({"authorization": f"Bearer {_token(role=role)}"})

    assert answer.status_code == (200 if role in ("approver", "admin") else 403)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "token_missing"),
        ({"authorization": "Basic eDp5"}, "token_missing"),
        ({"authorization": "Bearer nonsense"}, "token_refused"),
    ],
)
async def test_a_page_without_a_good_token_challenges(headers, code):
    answer = await _get(headers)

    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["www-authenticate"].startswith("Bearer")
