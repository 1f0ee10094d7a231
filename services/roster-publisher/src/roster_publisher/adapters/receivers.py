"""`Receivers` over HTTP: one signed POST, nothing followed, nothing believed but the status.

Logs and metrics name the client, never the address nor a body.
"""

from typing import Final

from roster_common.ports import Clock
from roster_common.runtime.checked_addresses import AddressRefused
from roster_common.runtime.failpoints import failpoint
from roster_common.runtime.http import BreakerOpen, HttpClient, OutsideUnavailable
from roster_common.runtime.pacing import CallPolicy
from roster_common.runtime.webhook_signatures import sign
from roster_publisher.domain.webhooks import Message, NotSent, Sent, Subscription

_CONNECT_S: Final = 5.0
_ANSWER_BYTES: Final = 64 * 1024
_GONE: Final = 410


class HttpReceivers:
    """`http` must check addresses (`CheckedTransport`): they are the vendors' to give."""

    def __init__(self, http: HttpClient, clock: Clock, *, timeout_s: float) -> None:
        self._http = http
        self._clock = clock
        self._policy = CallPolicy(
            connect_timeout_s=min(_CONNECT_S, timeout_s),
            read_timeout_s=timeout_s,
            total_timeout_s=timeout_s,
            # Coming again is the subscription's own affair, for days.
            max_attempts=1,
            max_concurrency=1,
            max_answer_bytes=_ANSWER_BYTES,
        )

    async def send(self, subscription: Subscription, message: Message) -> Sent | NotSent:
        """Make one call; any 2xx counts as taken, 410 as a wish to be left alone."""
        name = f"vendor:{subscription.client_id}"
        self._http.follow(name, self._policy)
        failpoint("publisher.push.before_send")
        try:
            answer = await self._http.request(
                "POST",
                subscription.url,
                name=name,
                repeat="never",
                content=message.body,
                headers={
                    "content-type": "application/json",
                    "user-agent": "homeroom",
                    **sign(
                        message.id,
                        message.body,
                        secrets=subscription.secrets,
                        now=self._clock.now(),
                    ),
                },
            )
        except AddressRefused as error:
            return NotSent(reason=f"address_{error.reason}")
        except BreakerOpen as error:
            return NotSent(reason="breaker_open", retry_after_s=error.retry_after_s)
        except OutsideUnavailable as error:
            reason = error.cause if error.status is None else f"status_{error.status}"
            return NotSent(reason=reason, retry_after_s=error.retry_after_s)
        failpoint("publisher.push.after_send")
        if answer.is_success:
            return Sent()
        reason = "redirected" if answer.is_redirect else f"status_{answer.status_code}"
        return NotSent(reason=reason, final=answer.status_code == _GONE)
