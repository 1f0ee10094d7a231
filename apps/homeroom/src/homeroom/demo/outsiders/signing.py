"""Signed webhooks as neighbours send them, by the public `standardwebhooks` library."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import httpx2
from standardwebhooks.webhooks import Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The receipt of one delivery."""

    delivery_id: str
    correlation_id: str


def post_signed(
    http: httpx2.Client,
    address: str,
    body: Mapping[str, object],
    *,
    secret: str,
    message_id: str,
    at: datetime,
) -> Accepted:
    """Post one message; the same `message_id` may be sent again. May raise `httpx2.HTTPError`."""
    content = json.dumps(body, ensure_ascii=False)
    answer = http.post(
        address,
        content=content.encode(),
        headers={
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign(message_id, at, content),
        },
    )
    answer.raise_for_status()
    receipt = answer.json()
    return Accepted(
        delivery_id=str(receipt["deliveryId"]), correlation_id=str(receipt["correlationId"])
    )


def stamp(at: datetime) -> str:
    """Write a moment as the bodies carry it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
