"""Operator tokens: Ed25519-signed JWTs with a role and districts, at most 12 hours (blueprint)."""

import base64
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from fastapi import Request

from roster_common.errors import Fatal
from roster_common.runtime.problems import Problem

Role = Literal["viewer", "operator", "approver", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
EVERY_DISTRICT = "*"
MAX_HOURS = 12
_ALGORITHM = "EdDSA"
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="homeroom"'}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who is asking: a role includes those before it; districts are ids or `*`."""

    subject: str
    role: Role
    districts: tuple[str, ...]

    def may_see(self, district_id: str) -> bool:
        """Whether the token carries the district."""
        return EVERY_DISTRICT in self.districts or district_id in self.districts

    def ensure(self, district_id: str) -> None:
        """Raise a 404 for a district outside the token: its existence is not ours to tell."""
        if not self.may_see(district_id):
            raise Problem(404, "not-found", "Not found")


def new_keypair() -> tuple[str, str]:
    """(private key as PEM, public key as base64 of its 32 bytes)."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw
    )
    return pem.decode(), base64.b64encode(public).decode()


def mint(
    private_key_pem: str,
    *,
    subject: str,
    role: Role,
    districts: Sequence[str],
    now: datetime,
    token_id: str,
    hours: float = MAX_HOURS,
) -> str:
    """A signed token. Raises `Fatal` for more than 12 hours or an unknown role."""
    if not 0 < hours <= MAX_HOURS or role not in ROLES:
        raise Fatal("an operator token has a known role and at most 12 hours")
    claims = {
        "sub": subject,
        "role": role,
        "districts": list(districts),
        "iat": now,
        "exp": now + timedelta(hours=hours),
        "jti": token_id,
    }
    return jwt.encode(claims, private_key_pem, algorithm=_ALGORITHM)


class Operators:
    """Verifies tokens with one public key; without a key every page refuses."""

    def __init__(self, public_key: str | None) -> None:
        self._key = _read_key(public_key) if public_key else None

    def require(self, role: Role) -> Callable[[Request], Awaitable[Operator]]:
        """A FastAPI dependency that yields the operator or refuses with 401 or 403."""

        async def dependency(request: Request) -> Operator:
            operator = self.verify(request.headers.get("authorization", ""))
            if ROLES.index(operator.role) < ROLES.index(role):
                raise Problem(403, "forbidden", f"This needs the role {role}")
            return operator

        return dependency

    def verify(self, authorization: str) -> Operator:
        """Read an Authorization header. Raises a 401 problem that does not say which part failed."""
        scheme, _, token = authorization.partition(" ")
        if self._key is None or scheme.lower() != "bearer" or not token:
            raise _unauthenticated()
        try:
            claims = jwt.decode(
                token.strip(),
                self._key,
                algorithms=[_ALGORITHM],
                options={"require": ["exp", "iat", "sub", "jti"]},
                leeway=5,
            )
        except jwt.InvalidTokenError:
            raise _unauthenticated() from None
        return _operator(claims)


def _operator(claims: dict[str, object]) -> Operator:
    role, districts, issued, ends = (
        claims.get(name) for name in ("role", "districts", "iat", "exp")
    )
    lives = timedelta(hours=MAX_HOURS).total_seconds()
    if (
        role not in ROLES
        or not isinstance(districts, list)
        or not isinstance(issued, int | float)
        or not isinstance(ends, int | float)
        or ends - issued > lives
    ):
        raise _unauthenticated()
    return Operator(
        subject=str(claims["sub"]),
        role=ROLES[ROLES.index(role)],
        districts=tuple(str(district) for district in districts),
    )


def _unauthenticated() -> Problem:
    return Problem(401, "unauthenticated", "A valid operator token is needed", headers=_CHALLENGE)


def _read_key(text: str) -> Ed25519PublicKey:
    try:
        if "BEGIN" in text:
            key = serialization.load_pem_public_key(text.encode())
            if isinstance(key, Ed25519PublicKey):
                return key
        else:
            return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except ValueError:
        pass
    raise Fatal("HOMEROOM_OPERATOR_PUBLIC_KEY is no Ed25519 public key") from None


