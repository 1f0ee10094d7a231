"""HTTP to one source, signed in: the shared client, in the words that vendor rooms use.

Logs and metrics carry the source's id; never an address with a query, a header or a body.
"""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlencode

import orjson
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA1, SIGNATURE_HMAC_SHA256
from oauthlib.oauth1 import Client as OAuth1Client

from roster_common.ports import Clock
from roster_common.runtime.http import BreakerOpen, HttpClient, OutsideUnavailable
from roster_common.runtime.metrics import metric
from sis_ingest.ports.pulls import Answer, Auth, SourceAway, SourceRefused

_EARLY_S: Final = 30.0
_SHORTEST_S: Final = 60.0
_METHODS: Final[Mapping[str, Literal["GET", "POST", "PUT", "DELETE"]]] = {
    "GET": "GET",
    "POST": "POST",
    "PUT": "PUT",
    "DELETE": "DELETE",
}
_SIGNATURES: Final = {"oauth1_sha1": SIGNATURE_HMAC_SHA1, "oauth1_sha256": SIGNATURE_HMAC_SHA256}
_REFUSALS: Final = {401: "unauthorized", 403: "forbidden"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Who we are at a source, and how it wants to be told. Never logged."""

    auth: Auth
    client_id: str
    client_secret: str
    token_url: str = ""
    scope: str = ""


class HttpCalls:
    """`ports.pulls.Calls`. Breaker, pace and concurrency count per source.

    `at_once` calls are on their way; the others wait here, where no time-out runs: a slow page is
    no fault of those behind it.
    """

    def __init__(
        self,
        http: HttpClient,
        *,
        name: str,
        base_url: str,
        sign_in: SignIn,
        clock: Clock,
        timeout_s: float,
        at_once: int,
    ) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._http = http
        self._name = name
        self._base = base_url.rstrip("/")
        self._who = sign_in
        self._clock = clock
        self._timeout_s = timeout_s
        self._token = ""
        self._token_until_s = 0.0
        self._asking = asyncio.Lock()

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """See the port. A token that is refused is asked for anew, once."""
        url = f"{self._base}{path}" + (f"?{urlencode(query)}" if query else "")
        token = await self._bearer()
        answer = await self._once(method, url, headers, body, token)
        if answer.status == 401 and self._who.auth == "oauth2":
            self._forget(token)
            answer = await self._once(method, url, headers, body, await self._bearer())
        if answer.status in (401, 403):
            raise SourceRefused(_REFUSALS[answer.status])
        if answer.status >= 500:
            raise SourceAway(f"status_{answer.status}")
        return answer

    async def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        token: str,
    ) -> Answer:
        sent = {"accept": "application/json", **(headers or {})}
        if token:
            sent["authorization"] = f"Bearer {token}"
        return await self._request(method, url, sent, body, signed=self._who.auth in _SIGNATURES)

    async def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        signed: bool = False,
    ) -> Answer:
        def signature() -> Mapping[str, str]:
            return {"authorization": self._signature(method, url)}

        try:
            async with self._places:
                response = await self._http.request(
                    method,
                    url,
                    name=self._name,
                    timeout_s=self._timeout_s,
                    headers=headers,
                    content=body,
                    # A nonce that was seen is refused: each repetition is signed by itself.
                    renew=signature if signed else None,
                )
        except BreakerOpen as error:
            raise SourceAway("breaker_open", retry_after_s=error.retry_after_s) from error
        except OutsideUnavailable as error:
            raise SourceAway(error.cause, retry_after_s=error.retry_after_s) from error
        return Answer(
            status=response.status_code,
            headers={key.lower(): value for key, value in response.headers.items()},
            body=response.content,
        )

    def _signature(self, method: str, url: str) -> str:
        """OAuth 1.0a over method, address and query; a client of its own for each nonce."""
        client = OAuth1Client(
            self._who.client_id,
            client_secret=self._who.client_secret,
            signature_method=_SIGNATURES[self._who.auth],
        )
        _, headers, _ = client.sign(url, http_method=_METHODS[method])
        return str(headers["Authorization"])

    async def _bearer(self) -> str:
        if self._who.auth != "oauth2":
            return ""
        async with self._asking:
            if not self._token or self._clock.monotonic() >= self._token_until_s:
                await self._ask()
            return self._token

    def _forget(self, token: str) -> None:
        if self._token == token:
            self._token = ""

    async def _ask(self) -> None:
        """Client credentials with Basic (RFC 6749 sections 2.3.1 and 4.4)."""
        who = f"{self._who.client_id}:{self._who.client_secret}".encode()
        form = {"grant_type": "client_credentials"}
        if self._who.scope:
            form["scope"] = self._who.scope
        answer = await self._request(
            "POST",
            self._who.token_url,
            {
                "accept": "application/json",
                "authorization": f"Basic {base64.b64encode(who).decode()}",
                "content-type": "application/x-www-form-urlencoded",
            },
            urlencode(form).encode(),
        )
        metric("source_tokens_total").labels(source=self._name, outcome=str(answer.status)).inc()
        if answer.status in (400, 401, 403):
            raise SourceRefused("token_refused")
        token, lifetime_s = _token_of(answer)
        self._token = token
        usable_s = max(lifetime_s - _EARLY_S, min(lifetime_s, _SHORTEST_S) / 2)
        self._token_until_s = self._clock.monotonic() + usable_s


def _token_of(answer: Answer) -> tuple[str, float]:
    try:
        body = orjson.loads(answer.body)
        token, lifetime = body["access_token"], float(body.get("expires_in") or _SHORTEST_S)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceAway("unreadable_token") from error
    if answer.status != 200 or not isinstance(token, str) or not token:
        raise SourceAway("unreadable_token")
    return token, lifetime
