"""A webhook counts when a secret of its source signed it, just now; signed here by the library."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from roster_common.errors import NotVerified
from roster_common.runtime.webhook_signatures import sign, verify

NOW = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)
BODY = b'{"id": "s-1"}'
OURS, OTHERS = (
    "whsec_" + base64.b64encode(text).decode()
    for text in (b"a-secret-of-ours-for-a-test", b"a-secret-of-somebody-else!!")
)


def _headers(secret: str, *, at: datetime = NOW) -> dict[str, str]:
    return {
        "webhook-id": "msg-1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg-1", at, BODY.decode()),
    }


def test_a_webhook_signed_by_the_library_with_any_of_our_secrets_counts() -> None:
    assert verify(_headers(OURS), BODY, secrets=[OTHERS, OURS], now=NOW) == "msg-1"


@pytest.mark.parametrize(
    ("signer", "body"),
    [(OTHERS, BODY), (OURS, BODY + b" ")],
    ids=["signed_by_another", "changed_on_its_way"],
)
def test_a_webhook_that_nobody_we_know_signed_does_not_count(signer: str, body: bytes) -> None:
    with pytest.raises(NotVerified) as refused:
        verify(_headers(signer), body, secrets=[OURS], now=NOW)

    assert refused.value.reason == "signature_mismatch"


def test_the_library_believes_what_we_sign_with_the_old_secret_and_the_new() -> None:
    now = datetime.now(UTC)
    headers = sign("msg-1", BODY, secrets=[OURS, OTHERS], now=now)

    for secret in (OURS, OTHERS):
        Webhook(secret).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OURS).verify(BODY + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OURS).verify(BODY, headers | {"webhook-id": "msg-2"})
    assert verify(headers, BODY, secrets=[OTHERS], now=now) == "msg-1"


@pytest.mark.parametrize("away", [timedelta(minutes=-6), timedelta(minutes=6)])
def test_a_webhook_played_again_later_does_not_count(away: timedelta) -> None:
    with pytest.raises(NotVerified) as refused:
        verify(_headers(OURS, at=NOW + away), BODY, secrets=[OURS], now=NOW)

    assert refused.value.reason == "timestamp_outside_window"
