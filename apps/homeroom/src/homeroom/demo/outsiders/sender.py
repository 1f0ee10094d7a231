"""A system that signs what it says and posts it to one address: the SIS, and the help desk.

The signature is made by the public `standardwebhooks` library, not by our own code.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import httpx2
from standardwebhooks.webhooks import Webhook

from homeroom.patience import ONCE, Patience, PatientClient

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The receipt of one delivery."""

    delivery_id: str
    correlation_id: str


@dataclass(slots=True, kw_only=True)
class Sender:
    """Posts to `url` under the name `name`; `about` is the field that carries what is said.

    Calls may raise `httpx2.HTTPError`.
    """

    url: str
    name: str
    secret: str
    about: str
    patience: Patience = ONCE
    _http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self._http = PatientClient(self.patience, base_url=self.url, timeout=TIMEOUT_S)

    def close(self) -> None:
        self._http.close()

    def send(
        self, kind: str, said: Mapping[str, object], *, message_id: str, at: datetime
    ) -> Accepted:
        """Post one message, such as `users.upserted`; the same `message_id` may be sent again."""
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body = json.dumps({"type": kind, "occurredAt": stamp, self.about: said}, ensure_ascii=False)
        answer = self._http.post(
            f"/webhooks/{self.name}",
            content=body.encode(),
            headers={
                "content-type": "application/json",
                "webhook-id": message_id,
                "webhook-timestamp": str(int(at.timestamp())),
                "webhook-signature": Webhook(self.secret).sign(message_id, at, body),
            },
        )
        answer.raise_for_status()
        receipt = answer.json()
        return Accepted(
            delivery_id=str(receipt["deliveryId"]), correlation_id=str(receipt["correlationId"])
        )
