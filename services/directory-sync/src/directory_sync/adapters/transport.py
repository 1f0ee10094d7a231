"""The shared HTTP client, in the words that target rooms use."""

from collections.abc import Mapping

from directory_sync.ports import Answer, NotReached
from roster_common.runtime.http import BreakerOpen, HttpClient, OutsideUnavailable


class HttpTransport:
    """Sends for one target. Breaker and rate count per target, so a dead one delays only itself.

    A change is sent once (again only if it never left us): whether it may be repeated is found out
    by looking, not by sending.
    """

    def __init__(self, http: HttpClient, *, name: str) -> None:
        self._http = http
        self._name = name

    async def send(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float,
    ) -> Answer:
        """Send; raises `NotReached` when there is no answer that can be used."""
        try:
            response = await self._http.request(
                method,
                url,
                name=self._name,
                timeout_s=timeout_s,
                headers=headers,
                params=query,
                content=body,
            )
        except BreakerOpen as error:
            raise NotReached(
                "breaker_open", maybe_done=False, retry_after_s=error.retry_after_s
            ) from error
        except OutsideUnavailable as error:
            raise NotReached(
                error.cause, maybe_done=error.maybe_done, retry_after_s=error.retry_after_s
            ) from error
        return Answer(
            status=response.status_code,
            headers={key.lower(): value for key, value in response.headers.items()},
            body=response.content,
        )
