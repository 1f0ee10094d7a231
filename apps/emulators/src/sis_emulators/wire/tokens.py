"""OAuth 2 client credentials (RFC 6749 section 4.4): issues tokens and knows them again."""

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request
from starlette.responses import Response

from sis_emulators.evidence import Evidence
from sis_emulators.wire.answers import Json
from sis_emulators.wire.credentials import Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Whose it is, what it opens, and when it ends on the monotonic clock."""

    client: str
    scopes: frozenset[str]
    ends: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """`scopes` are those a token may open; empty where the product knows none.

    `lifetime_as_text` writes `expires_in` as a string, as PowerSchool does.
    """

    lifetime_s: int = 3600
    scopes: frozenset[str] = frozenset()
    lifetime_as_text: bool = False


class TokenIssuer:
    """The tokens of one emulator; they are lost when it ends."""

    def __init__(self, credentials: Credentials, evidence: Evidence, rules: TokenRules) -> None:
        self._credentials = credentials
        self._evidence = evidence
        self._rules = rules
        self._tokens: dict[str, Token] = {}

    async def issue(self, request: Request) -> Response:
        """The token endpoint: client id and secret by Basic or in the form."""
        sent = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        if sent.get("grant_type") != "client_credentials":
            return _refused("unsupported_grant_type", 400)
        if not self._known(*_presented(request, sent)):
            self._evidence.refusals["bad_client"] += 1
            return _refused("invalid_client", 401)
        wanted = frozenset(sent.get("scope", "").split())
        granted = wanted & self._rules.scopes
        if self._rules.scopes and not granted:
            self._evidence.refusals["bad_scope"] += 1
            return _refused("invalid_scope", 400)
        request.scope.setdefault("state", {})["client"] = self._credentials.client_id
        return self._issued(granted)

    def check(self, request: Request) -> Token | None:
        """The token of a request; None, counted, where there is none that still opens."""
        scheme, _, name = request.headers.get("authorization", "").partition(" ")
        token = self._tokens.get(name) if scheme.lower() == "bearer" else None
        if token is None or token.ends <= time.monotonic():
            self._evidence.refusals["bad_token"] += 1
            return None
        request.scope.setdefault("state", {})["client"] = token.client
        return token

    def expire(self) -> None:
        """Ends every token issued so far."""
        self._tokens.clear()

    def _known(self, client: str, secret: str) -> bool:
        return hmac.compare_digest(
            f"{client}:{secret}".encode(),
            f"{self._credentials.client_id}:{self._credentials.client_secret}".encode(),
        )

    def _issued(self, scopes: frozenset[str]) -> Response:
        name = secrets.token_urlsafe(24)
        self._tokens[name] = Token(
            client=self._credentials.client_id,
            scopes=scopes,
            ends=time.monotonic() + self._rules.lifetime_s,
        )
        self._evidence.tokens_issued += 1
        life = self._rules.lifetime_s
        body: dict[str, object] = {
            "access_token": name,
            "token_type": "Bearer",
            "expires_in": str(life) if self._rules.lifetime_as_text else life,
        }
        if scopes:
            body["scope"] = " ".join(sorted(scopes))
        return Json(body, headers={"Cache-Control": "no-store"})


def _presented(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, coded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client, _, secret = base64.b64decode(coded, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(client), unquote_plus(secret)


def _refused(error: str, status: int) -> Response:
    headers = {"WWW-Authenticate": "Basic"} if status == 401 else {}
    return Json({"error": error}, status_code=status, headers=headers)
