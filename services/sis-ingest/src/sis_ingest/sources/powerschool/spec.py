"""What the PowerSchool source can do: notifications as hints, pulls over REST, data versions.

Options: `application`, the name of the plugin's data version subscription (`homeroom`);
`callbackUrl`, where PowerSchool reaches `/webhooks/{source}`. See README.md.
"""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Final

from sis_ingest.domain.deliveries import Hint, Incoming, Knock
from sis_ingest.ports.pulls import Access, Calls, PullClient, PullSpec, Sections, Wording
from sis_ingest.ports.sources import SourceSpec
from sis_ingest.sources.powerschool import verify
from sis_ingest.sources.powerschool.client import PowerSchoolClient
from sis_ingest.sources.powerschool.normalise import ENTITIES, PowerSchoolWording, gone
from sis_ingest.sources.powerschool.wire import hints_of, parse


class PowerSchoolWebhook:
    """`ports.WebhookReader` and `ports.HintReader`: what a notification says is only a hint."""

    by_token: Final = True
    keeps: Final[Set[str]] = frozenset()

    def is_secret(self, text: str) -> bool:
        """Whether nobody could guess it."""
        return verify.is_secret(text)

    def verify(self, knock: Knock, *, secrets: Sequence[str], now: datetime) -> str:
        """See `verify.verify`."""
        return verify.verify(knock, secrets=secrets, now=now)

    def read(self, headers: Mapping[str, str], body: bytes) -> Sequence[Incoming]:
        """No change; but a body that names nothing we know is refused at the door."""
        self.hints(headers, body)
        return ()

    def hints(self, _headers: Mapping[str, str], body: bytes) -> Sequence[Hint]:
        """The records to read anew. Raises `Invalid` naming the field."""
        return tuple(dict.fromkeys(hints_of(parse(body))))


def _connect(access: Access, calls: Calls) -> PullClient:
    return PowerSchoolClient(access, calls)


def _wording(_sections: Sections, _access: Access) -> Wording:
    return PowerSchoolWording()


def _token_url(access: Access) -> str:
    return f"{access.base_url}/oauth/access_token"


_WEBHOOK: Final = PowerSchoolWebhook()

SPEC: Final = SourceSpec(
    kind="powerschool",
    title="PowerSchool SIS",
    webhook=_WEBHOOK,
    hints=_WEBHOOK,
    pull=PullSpec(
        connect=_connect,
        entities=ENTITIES,
        wording=_wording,
        gone=gone,
        repeating=frozenset({"courses"}),
        token_url=_token_url,
        options={"application": (), "callbackUrl": ()},
    ),
)
