"""An operator's token counts for its time, its key and its districts, and for nothing else."""

from datetime import timedelta

import jwt
import pytest

from roster_common.runtime.problems import Problem
from roster_common.runtime.tokens import (
    AUDIENCE,
    Operator,
    Operators,
    TokenRefused,
    mint,
    new_keypair,
)
from roster_common.testkit.clock import FixedClock

PRIVATE, PUBLIC = new_keypair()


def _token(clock: FixedClock, *, hours: float = 1) -> str:
    return mint(
        PRIVATE,
        subject="clerk",
        role="operator",
        districts=["north"],
        now=clock.now(),
        lifetime=timedelta(hours=hours),
    )


def test_a_token_ends_at_its_hour() -> None:
    clock = FixedClock()
    operators, token = Operators(PUBLIC, clock), _token(clock)

    before = operators.verify(token)
    clock.advance(3_600 + 60)
    after = operators.verify(token)

    assert isinstance(before, Operator)
    assert after == TokenRefused(reason="expired")


def test_a_token_signed_for_longer_than_twelve_hours_does_not_count() -> None:
    clock = FixedClock()
    now = int(clock.now().timestamp())
    claims = {"sub": "clerk", "roles": ["admin"], "districts": "*", "aud": AUDIENCE}
    token = jwt.encode(
        {**claims, "iat": now, "exp": now + 13 * 3_600, "jti": "j"}, PRIVATE, algorithm="EdDSA"
    )

    assert Operators(PUBLIC, clock).verify(token) == TokenRefused(reason="bad_claims")


def test_a_token_of_another_key_does_not_count() -> None:
    clock = FixedClock()
    _, other = new_keypair()

    assert Operators(other, clock).verify(_token(clock)) == TokenRefused(reason="bad_signature")
    assert Operators(None, clock).verify(_token(clock)) == TokenRefused(reason="no_operator_key")


def test_a_district_outside_the_token_does_not_exist_for_its_bearer() -> None:
    clock = FixedClock()
    operator = Operators(PUBLIC, clock).verify(_token(clock))
    assert isinstance(operator, Operator)

    operator.ensure("north")
    with pytest.raises(Problem) as refused:
        operator.ensure("south")

    assert refused.value.status == 404
