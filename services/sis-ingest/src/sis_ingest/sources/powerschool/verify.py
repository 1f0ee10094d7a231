"""Who may knock: PowerSchool cannot sign, so an unguessable path and an echoed key must both hold.

Both are made from the source's one secret, each by its own word, so that whoever sees one of them
(a path stands in the logs of proxies) knows neither the other nor the secret.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from roster_common.errors import Invalid, NotVerified
from sis_ingest.domain.deliveries import Knock
from sis_ingest.sources.powerschool.wire import key_of, parse

_SHORTEST: Final = 16


def path_token(secret: str) -> str:
    """The last segment of the callback address."""
    return _made(secret, b"path")


def echoed_key(secret: str) -> str:
    """The `key` of the event subscription, which every notification brings back."""
    return _made(secret, b"key")


def is_secret(text: str) -> bool:
    """Whether nobody could guess it."""
    return len(text) >= _SHORTEST


def verify(knock: Knock, *, secrets: Sequence[str], now: datetime) -> str:
    """An id for the delivery. Raises `NotVerified` naming what did not hold.

    PowerSchool gives deliveries no id, and two real edits may look alike to the last byte: so no
    two deliveries are ever taken for one. Reading a record once more than needed does no harm.
    """
    token = (knock.token or "").encode()
    fitting = [s for s in secrets if hmac.compare_digest(path_token(s).encode(), token)]
    if not fitting:
        raise NotVerified("wrong_token", field="token")
    try:
        key = key_of(parse(knock.body)).encode()
    except Invalid:
        raise NotVerified("no_key", field="key") from None
    if not any(hmac.compare_digest(echoed_key(s).encode(), key) for s in fitting):
        raise NotVerified("wrong_key", field="key")
    return f"{now.isoformat()}/{hashlib.sha256(knock.body).hexdigest()[:16]}"


def _made(secret: str, word: bytes) -> str:
    return hmac.new(secret.encode(), word, hashlib.sha256).hexdigest()[:40]
