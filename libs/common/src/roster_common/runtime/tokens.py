"""Operator tokens: Ed25519-signed JWTs with a role and districts, good for 12 hours at most.

`homeroom token` makes them and every service checks them with the public key alone. A later
OpenID Connect issuer gives the same claims. The token itself is never logged.
"""

import base64
import binascii
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, assert_never

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from roster_common.errors import Fatal
from roster_common.ports import Clock
from roster_common.runtime.clock import SystemClock
from roster_common.runtime.problems import Problem

Role = Literal["viewer", "operator", "approver", "admin"]
Districts = Literal["*"] | Sequence[str]

ROLES: tuple[Role, ...] = ("viewer", "operator", "approver", "admin")
AUDIENCE = "homeroom-operators"
MAX_LIFETIME = timedelta(hours=12)
LEEWAY = timedelta(seconds=30)
MAX_TOKEN_CHARS = 8_192

_BEARER = HTTPBearer(
    auto_error=False, scheme_name="operator", description="A token from `homeroom token`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who asks. `districts` None means all of them. `subject` is for the audit, not for logs."""

    subject: str
    role: Role
    districts: frozenset[str] | None
    token_id: str

    def has(self, role: Role) -> bool:
        """Say whether this role includes `role`."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def may_see(self, district_id: str) -> bool:
        """Say whether the token covers the district."""
        return self.districts is None or district_id in self.districts

    def ensure(self, district_id: str) -> None:
        """Raise the 404 problem for a district outside the token: its existence is not told."""
        if not self.may_see(district_id):
            raise Problem(404, "not_found", "There is no such thing here")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRefused:
    """Why a token does not count; `reason` is a stable code."""

    reason: Literal["malformed", "bad_signature", "bad_claims", "expired", "no_operator_key"]


class Operators:
    """Checks tokens. Without a public key every token is refused; nothing is open by mistake."""

    def __init__(self, public_key: str | None, clock: Clock | None = None) -> None:
        self._key = None if public_key is None else read_public_key(public_key)
        self._clock = clock or SystemClock()

    def verify(self, token: str) -> Operator | TokenRefused:
        """Say who a token speaks for. Pure but for the clock."""
        if self._key is None:
            return TokenRefused(reason="no_operator_key")
        if len(token) > MAX_TOKEN_CHARS:
            return TokenRefused(reason="malformed")
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                options={
                    "require": ["sub", "iat", "exp", "jti", "aud"],
                    # Times are checked below, by the clock we were given.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
            return TokenRefused(reason="bad_signature")
        except jwt.DecodeError:
            return TokenRefused(reason="malformed")
        except jwt.InvalidTokenError:
            return TokenRefused(reason="bad_claims")
        return _read_claims(claims, self._clock.now())

    def require(self, role: Role) -> Callable[..., Awaitable[Operator]]:
        """Give a FastAPI dependency that yields the Operator, or answers 401 or 403."""

        async def operator(
            credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
        ) -> Operator:
            """The token's Operator; raises the 401 problem without one, 403 without the role."""
            if credentials is None:
                raise _unauthorized("token_missing", "Bearer")
            found = self.verify(credentials.credentials)
            match found:
                case TokenRefused():
                    code = "token_expired" if found.reason == "expired" else "token_refused"
                    raise _unauthorized(code, 'Bearer error="invalid_token"')
                case Operator():
                    if not found.has(role):
                        raise _forbidden(role)
                    return found
                case _:
                    assert_never(found)

        return operator


def mint(
    private_key_pem: str,
    *,
    subject: str,
    role: Role,
    districts: Districts,
    now: datetime,
    lifetime: timedelta = MAX_LIFETIME,
) -> str:
    """Sign a token for `subject` from `now` on. `districts` is a list of ids or "*" for all.

    Raises Fatal for a lifetime outside (0, 12 h], an unknown role or a key that is not Ed25519.
    """
    if not timedelta(0) < lifetime <= MAX_LIFETIME:
        message = "an operator token lives more than 0 and at most 12 hours"
        raise Fatal(message)
    if role not in ROLES:
        message = f"an operator's role is one of {', '.join(ROLES)}"
        raise Fatal(message)
    claims = {
        "sub": subject,
        "roles": [role],
        "districts": "*" if districts == "*" else sorted(districts),
        "aud": AUDIENCE,
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
        "jti": str(uuid.uuid4()),
    }
    return jwt.encode(claims, _read_private_key(private_key_pem), algorithm="EdDSA")


def new_keypair() -> tuple[str, str]:
    """Make a key pair: (private key as PEM, a secret; public key as base64 of its 32 bytes)."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    return pem, public_key_of(pem)


def public_key_of(private_key_pem: str) -> str:
    """Give the public half of a private key, as base64 of its 32 bytes."""
    raw = _read_private_key(private_key_pem).public_key().public_bytes_raw()
    return base64.b64encode(raw).decode()


def read_public_key(text: str) -> Ed25519PublicKey:
    """Read a public key given as base64 of its 32 bytes or as PEM. Raises Fatal for any other."""
    try:
        if "BEGIN" in text:
            key = serialization.load_pem_public_key(text.encode())
            if isinstance(key, Ed25519PublicKey):
                return key
        else:
            return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        pass
    message = "HOMEROOM_OPERATOR_PUBLIC_KEY is not an Ed25519 public key (base64 or PEM)"
    raise Fatal(message)


def _read_private_key(pem: str) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        message = "the operator's private key is not an unencrypted Ed25519 key in PEM"
        raise Fatal(message) from None
    return key


def _read_claims(claims: dict[str, object], now: datetime) -> Operator | TokenRefused:
    subject, token_id = claims.get("sub"), claims.get("jti")
    issued, expires = claims.get("iat"), claims.get("exp")
    roles, districts = claims.get("roles"), claims.get("districts")
    known = [role for role in ROLES if isinstance(roles, list) and role in roles]
    if not (
        isinstance(subject, str)
        and isinstance(token_id, str)
        and isinstance(issued, int | float)
        and isinstance(expires, int | float)
        and known
        and (districts == "*" or _is_list_of_texts(districts))
    ):
        return TokenRefused(reason="bad_claims")
    if expires - issued > MAX_LIFETIME.total_seconds():
        return TokenRefused(reason="bad_claims")
    moment = now.astimezone(UTC).timestamp()
    if issued > moment + LEEWAY.total_seconds():
        return TokenRefused(reason="bad_claims")
    if expires <= moment - LEEWAY.total_seconds():
        return TokenRefused(reason="expired")
    covered = None if districts == "*" else frozenset(map(str, _as_list(districts)))
    return Operator(subject=subject, role=known[-1], districts=covered, token_id=token_id)


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _unauthorized(code: str, challenge: str) -> Problem:
    return Problem(
        401,
        code,
        "This page needs a valid operator token",
        headers={"www-authenticate": challenge},
    )


def _forbidden(role: Role) -> Problem:
    return Problem(
        403,
        "role_missing",
        f"This needs the role {role}",
        headers={"www-authenticate": 'Bearer error="insufficient_scope"'},
    )
