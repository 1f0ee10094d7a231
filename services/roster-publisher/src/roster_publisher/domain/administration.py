"""What operators may do to a vendor, and how it is told. Pure. Source: ADR 0029."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from roster_publisher.domain.access import Client, Grant, OldSecret

# Of a client that count at once, the newest with them: as many as sign a webhook.
MOST_SECRETS: Final = 5
CLIENT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Something that was taken as it is and is probably a mistake: a field and a code."""

    field: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Active records of one collection that a vendor sees before and after, and what differs."""

    before: int
    after: int
    both: int

    @property
    def gained(self) -> int:
        """Records seen only after."""
        return self.after - self.both

    @property
    def lost(self) -> int:
        """Records seen only before."""
        return self.before - self.both


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A client and its fresh secret, which is told this once; a dry run has none."""

    client: Client
    secret: str | None = field(repr=False)
    warnings: Sequence[Doubt]
    differences: Mapping[str, Difference]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """The client with its fresh secret; `old_until` is when the old one ends, and `version` that
    of the client before.
    """

    client_id: str
    version: str
    secret: str | None = field(repr=False)
    old_until: datetime
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The grant as it is now, or would be; `differences` only of a dry run."""

    client: Client
    changed: Sequence[str]
    warnings: Sequence[Doubt]
    differences: Mapping[str, Difference]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """The client that ended, or would, with its tokens in force, and its last `version`."""

    client_id: str
    version: str
    tokens: int
    differences: Mapping[str, Difference]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDone:
    """Why nothing was done: there is no such client in the district, settings give it, the id is
    taken, the client has changed since it was looked at, it hashes and there is no key, or too many
    secrets count.
    """

    why: str


UNKNOWN: Final = NotDone(why="vendor_unknown")
CONFIGURED: Final = NotDone(why="vendor_configured")
TAKEN: Final = NotDone(why="vendor_taken")
NO_KEY: Final = NotDone(why="hash_key_missing")
MOVED_ON: Final = NotDone(why="vendor_changed")
TOO_MANY_SECRETS: Final = NotDone(why="vendor_secrets_full")


def replaced_secrets(
    client: Client, *, old_until: datetime, now: datetime
) -> Sequence[OldSecret] | NotDone:
    """What counts beside a fresh secret: those of before, each until `old_until` at the latest."""
    ends = {one.secret_hash: min(one.until, old_until) for one in client.old_secrets}
    ends[client.secret_hash] = old_until
    counting = [OldSecret(secret_hash=one, until=end) for one, end in ends.items() if end > now]
    return counting if len(counting) < MOST_SECRETS else TOO_MANY_SECRETS


def told_grant(grant: Grant) -> Mapping[str, Any]:
    """Everything that operators decide of a grant, by name, as plain values in one order."""
    groups, pace = grant.field_groups, grant.pace
    return {
        "scopes": sorted(grant.token_scopes),
        "schools": None if grant.school_ids is None else sorted(set(grant.school_ids)),
        "rules": sorted(
            ({n: list(v) for n, v in rule.conditions().items()} for rule in grant.rules),
            key=orjson.dumps,
        ),
        "fields": None if groups is None else sorted(groups),
        "transform": {one.name: one.how for one in grant.transforms},
        "agreement": grant.agreement,
        "purpose": grant.purpose,
        "expires": None if grant.expires_at is None else grant.expires_at.isoformat(),
        "rate": None if pace is None else pace.rate,
        "burst": None if pace is None else pace.burst,
    }


def version_of(client: Client) -> str:
    """16 hexadecimal digits that are others when anything of the grant is, or the secret."""
    told = orjson.dumps([told_grant(client.grant), client.secret_hash], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(told, digest_size=8).hexdigest()


def changed_names(before: Grant, after: Grant) -> Sequence[str]:
    """Names of what differs, in the order of `told_grant`."""
    was, now = told_grant(before), told_grant(after)
    return [name for name in now if was[name] != now[name]]
