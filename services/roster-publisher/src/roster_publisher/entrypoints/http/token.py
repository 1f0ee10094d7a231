"""Door of `POST /oauth2/token`: OAuth 2 client credentials. Source: RFC 6749, section 4.4.

Lenient as vendors need it: the secret by HTTP Basic or in the form, unknown scopes passed over.
"""

import base64
from collections.abc import Callable
from typing import Final, TypeAlias, assert_never
from urllib.parse import parse_qs, unquote_plus

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from roster_common.runtime.metrics import metric
from roster_publisher.domain.pacing import whole_seconds
from roster_publisher.usecases.pace_callers import PaceTokens, Refusal
from roster_publisher.usecases.tokens import Issued, IssueToken, TokenRefused

_MAX_BODY: Final = 16_384
_Asked: TypeAlias = tuple[str, str, str | None]
_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def token_routes(
    issue: IssueToken, *, published: Callable[[str], bool], pace: PaceTokens
) -> APIRouter:
    """The token endpoint around one use case.

    `published` knows secrets that everybody can read in our documentation; a database that once
    ran the demo may still hold them, and they open nothing where it says so.
    """
    router = APIRouter()

    async def answer(asked: _Asked, address: str) -> Response:
        """What the secret opens."""
        client_id, secret, scope = asked
        if refusal := pace.refuses(client_id, address):
            return _too_fast(refusal)
        outcome: Issued | TokenRefused = TokenRefused(error="invalid_client")
        # No id holds a NUL, and the store cannot be asked for one.
        if "\x00" not in client_id and not published(secret):
            outcome = await issue(client_id=client_id, secret=secret, scope=scope)
        match outcome:
            case Issued():
                pace.count_given(client_id)
                return _given(outcome)
            case TokenRefused(error="invalid_client"):
                pace.count_wrong(client_id, address)
                return _error(outcome.error, 401)
            case TokenRefused():
                return _error(outcome.error, 400)
            case _:
                assert_never(outcome)

    @router.post("/oauth2/token", summary="Token for a vendor (client credentials)")
    async def token(request: Request) -> Response:
        """A bearer token with its life in seconds, or the error word with 400 or 401; 429 beyond
        the client's pace. Source: RFC 6749, sections 4.4 and 5.
        """
        asked = await _asked(request)
        if isinstance(asked, Response):
            return asked
        address = request.client.host if request.client is not None else ""
        return await answer(asked, address)

    return router


def _too_fast(refusal: Refusal) -> Response:
    metric("vendor_requests_refused_total").labels(door=refusal.door).inc()
    answer = _error("temporarily_unavailable", 429)
    answer.headers["Retry-After"] = str(whole_seconds(refusal.wait_s))
    return answer


def _given(issued: Issued) -> Response:
    return JSONResponse(
        {
            "access_token": issued.token,
            "token_type": "Bearer",
            "expires_in": issued.expires_in_s,
            "scope": " ".join(sorted(issued.token_scopes)),
        },
        headers=_NO_STORE,
    )


async def _asked(request: Request) -> _Asked | Response:
    """(client id, secret, scope), or the error where they cannot be read."""
    form = await _form(request)
    if form is None or form.get("grant_type") is None:
        return _error("invalid_request", 400)
    if form["grant_type"] != "client_credentials":
        return _error("unsupported_grant_type", 400)
    credentials = _credentials(request.headers.get("authorization"), form)
    if credentials is None:
        return _error("invalid_client", 401)
    return *credentials, form.get("scope")


async def _form(request: Request) -> dict[str, str] | None:
    """The form, each field once; None when it is no form or too long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            return None
    try:
        fields = parse_qs(body.decode(), errors="strict", max_num_fields=50)
    except (UnicodeDecodeError, ValueError):
        return None
    return {name: values[0] for name, values in fields.items()}


def _credentials(header: str | None, form: dict[str, str]) -> tuple[str, str] | None:
    if header is not None:
        kind, _, encoded = header.partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            client_id, colon, secret = base64.b64decode(encoded).decode().partition(":")
        except ValueError:  # no base64, not even of ASCII, or no UTF-8
            return None
        # RFC 6749, section 2.3.1: both are form-encoded before they are joined.
        return (unquote_plus(client_id), unquote_plus(secret)) if colon else None
    if "client_id" in form and "client_secret" in form:
        return form["client_id"], form["client_secret"]
    return None


def _error(error: str, status: int) -> Response:
    headers = dict(_NO_STORE)
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="oauth2"'
    return JSONResponse({"error": error}, status_code=status, headers=headers)
