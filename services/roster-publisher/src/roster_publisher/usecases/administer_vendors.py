"""Make, change and end vendors at an operator's word. Each change commits with its audit line.

A dry run says what would become of it and changes nothing. Secrets are made here and told once.
Source: ADR 0029.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from roster_publisher.domain.access import Client, Grant
from roster_publisher.domain.administration import (
    CONFIGURED,
    NO_KEY,
    TAKEN,
    UNKNOWN,
    Changed,
    Difference,
    Doubt,
    Made,
    NotDone,
    Revoked,
    Rotated,
    changed_names,
    replaced_secrets,
    version_of,
)
from roster_publisher.domain.audit import AuditEntry
from roster_publisher.domain.records import Entity
from roster_publisher.domain.transforms import keyed
from roster_publisher.ports import Clock
from roster_publisher.ports.administering import GrantTrials, VendorAdmin
from roster_publisher.ports.vendors import Digests, Scopes

_NOTHING: Final[Mapping[str, Difference]] = {}


class AdministerVendors:
    """`hash_key` is the installation's, which grants that hash need. `changed` is called after each
    change: whoever remembers grants in this process forgets.
    """

    def __init__(
        self,
        admin: VendorAdmin,
        scopes: Scopes,
        trials: GrantTrials,
        digests: Digests,
        clock: Clock,
        *,
        hash_key: bytes | None,
        changed: Callable[[], None],
    ) -> None:
        self._admin = admin
        self._scopes = scopes
        self._trials = trials
        self._digests = digests
        self._clock = clock
        self._hash_key = hash_key
        self._changed = changed

    async def create(self, grant: Grant, *, by: str, dry_run: bool) -> Made | NotDone:
        """Make a client with a fresh secret."""
        now = self._clock.now()
        if await self._admin.is_taken(grant.client_id):
            return TAKEN
        if grant.hashes and self._hash_key is None:
            return NO_KEY
        grant = keyed(grant, self._hash_key)
        doubts = await self._doubts(grant)
        if dry_run:
            client = Client(client_id=grant.client_id, secret_hash="", grant=grant)
            gained = await self._trials.differences(None, grant, now=now)
            return Made(client=client, secret=None, warnings=doubts, differences=gained)
        secret, secret_hash = await self._fresh()
        client = Client(
            client_id=grant.client_id, secret_hash=secret_hash, grant=grant, created_at=now
        )
        await self._fill(grant, now)
        not_done = await self._admin.create(client, self._entry(grant, "create", by=by))
        if not_done is not None:
            return not_done
        self._changed()
        return Made(client=client, secret=secret, warnings=doubts, differences=_NOTHING)

    async def rotate(
        self,
        district_id: str,
        client_id: str,
        *,
        overlap: timedelta,
        version: str | None,
        by: str,
        dry_run: bool,
    ) -> Rotated | NotDone:
        """Put a fresh secret in place, if the client still is at `version` where one is given; the
        old one counts for `overlap` longer, which may be 0.

        With none it is done however many count: they end.
        """
        there = await self._mine(district_id, client_id)
        if isinstance(there, NotDone):
            return there
        now = self._clock.now()
        until = now + overlap
        if dry_run:
            old = replaced_secrets(there, old_until=until, now=now)
            if isinstance(old, NotDone):
                return old
            tokens = await self._admin.tokens(district_id, client_id, now=until)
            return _rotated(there, None, until=until, tokens=tokens)
        secret, secret_hash = await self._fresh()
        entry = self._entry(there.grant, "rotate", detail=f"old until {until:%FT%TZ}", by=by)
        cut = await self._admin.rotate(
            there.grant, secret_hash, old_until=until, version=version, entry=entry
        )
        if isinstance(cut, NotDone):
            return cut
        self._changed()
        return _rotated(there, secret, until=until, tokens=cut)

    async def grant(
        self,
        district_id: str,
        client_id: str,
        *,
        change: Callable[[Grant], Grant],
        version: str | None,
        by: str,
        dry_run: bool,
    ) -> Changed | NotDone:
        """Change what a client is granted, if it still is at `version` where one is given."""
        there = await self._mine(district_id, client_id)
        if isinstance(there, NotDone):
            return there
        now, before = self._clock.now(), there.grant
        after = keyed(change(before), self._hash_key)
        if after.hashes and self._hash_key is None:
            return NO_KEY
        names, doubts = changed_names(before, after), await self._doubts(after)
        outcome = Changed(
            client=replace(there, grant=after),
            changed=names,
            warnings=doubts,
            differences=_NOTHING,
        )
        if dry_run:
            differences = await self._trials.differences(before, after, now=now)
            return replace(outcome, client=there, differences=differences)
        at = version or version_of(there)
        await self._fill(after, now)
        entry = self._entry(after, "grant", detail=" ".join(names), by=by)
        not_done = await self._admin.change(after, version=at, entry=entry)
        if not_done is not None:
            return not_done
        self._changed()
        return outcome

    async def revoke(
        self, district_id: str, client_id: str, *, version: str | None, by: str, dry_run: bool
    ) -> Revoked | NotDone:
        """End a client, if it still is at `version` where one is given: no token, no read, no feed
        from now on.
        """
        there = await self._mine(district_id, client_id)
        if isinstance(there, NotDone):
            return there
        if dry_run:
            now = self._clock.now()
            lost = await self._trials.differences(there.grant, None, now=now)
            tokens = await self._admin.tokens(district_id, client_id, now=now)
            return _revoked(there, tokens, lost)
        entry = self._entry(there.grant, "revoke", by=by)
        ended = await self._admin.revoke(district_id, client_id, version=version, entry=entry)
        if isinstance(ended, NotDone):
            return ended
        self._changed()
        return _revoked(there, ended, _NOTHING)

    async def _mine(self, district_id: str, client_id: str) -> Client | NotDone:
        there = await self._admin.find(district_id, client_id)
        if there is None:
            return UNKNOWN
        return CONFIGURED if there.configured else there

    async def _fill(self, grant: Grant, now: datetime) -> None:
        """Before a grant names it, a rule is filled: nobody reads an empty roster meanwhile."""
        if grant.rules:
            await self._scopes.ensure(grant.district_id, grant.rules, now=now)

    async def _fresh(self) -> tuple[str, str]:
        secret = self._digests.new_secret()
        return secret, await self._digests.digest(secret)

    async def _doubts(self, grant: Grant) -> Sequence[Doubt]:
        """Ids that no record of the district has: they may come later, or be mistyped."""
        named: list[tuple[str, Entity, Sequence[str]]] = [
            ("schools", "org", grant.school_ids or ())
        ]
        for place, rule in enumerate(grant.rules):
            named.append((f"rules.{place}.schools", "org", rule.schools or ()))
            named.append((f"rules.{place}.courses", "course", rule.courses or ()))
        found = []
        for field, entity, ids in named:
            if ids:
                unknown = await self._trials.unknown(grant.district_id, entity, ids)
                places = (n for n, one in enumerate(ids) if one in unknown)
                found += [Doubt(field=f"{field}.{n}", code=f"unknown_{entity}") for n in places]
        return found

    def _entry(self, grant: Grant, what: str, *, by: str, detail: str = "") -> AuditEntry:
        return AuditEntry(
            district_id=grant.district_id,
            client_id=grant.client_id,
            at=self._clock.now(),
            door="admin",
            what=what,
            detail=detail,
            status=200,
            by=by,
        )


def _rotated(client: Client, secret: str | None, *, until: datetime, tokens: int) -> Rotated:
    return Rotated(
        client_id=client.client_id,
        version=version_of(client),
        secret=secret,
        old_until=until,
        tokens=tokens,
    )


def _revoked(client: Client, tokens: int, differences: Mapping[str, Difference]) -> Revoked:
    return Revoked(
        client_id=client.client_id,
        version=version_of(client),
        tokens=tokens,
        differences=differences,
    )
