"""Take over names that directories allocated, as a publishing commit like any other.

Joins the consumer's transaction and commits nothing itself. Runs twice harmlessly: per target the
newest event counts. Names of a person who is not published wait and show with the person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from roster_publisher.domain.causes import lines
from roster_publisher.domain.fragments import render, stamp_text
from roster_publisher.domain.names import Allocated, Authority, Held, newest, with_names
from roster_publisher.domain.publication import next_stamp
from roster_publisher.domain.records import Key
from roster_publisher.ports import Clock
from roster_publisher.ports.publishing import PublishedUser, Renamed, RosterUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesTaken:
    """`kept` events were news, `renamed` users changed by them; `revision` None when none did."""

    revision: int | None
    kept: int
    renamed: int


class TakeNames:
    """Turns allocated names of one district, in any order, into the names vendors see."""

    def __init__(self, clock: Clock, authority: Authority) -> None:
        self._clock = clock
        self._authority = authority

    async def __call__(
        self, unit: RosterUnit, district_id: str, told: Sequence[Allocated]
    ) -> NamesTaken:
        """Keep `told` inside the unit's transaction and republish whom it changes."""
        district = await unit.lock_district(district_id)
        ids = sorted({one.person_id for one in told})
        held = await unit.allocated(district_id, ids)
        news = {who: newest(held.get(who, {}), _of(who, told)) for who in ids}
        kept = [one for names in news.values() for one in names.values()]
        if not kept:
            return NamesTaken(revision=None, kept=0, renamed=0)
        await unit.keep_allocated(district_id, kept)
        stamp = next_stamp(self._clock.now(), district.stamp)
        users = await unit.published_users(district_id, ids)
        renamed = [
            found
            for who, user in sorted(users.items())
            if (found := self._renamed(district_id, user, held.get(who, {}), news[who], stamp))
        ]
        if renamed:
            revision = district.revision + 1
            await unit.rename(district_id, renamed, revision=revision, stamp=stamp)
            effects = [(r.cause.correlation_id, "", Key("user", r.person_id)) for r in renamed]
            await unit.keep_causes(
                district_id, lines("named", effects), revision=revision, at=stamp
            )
        return NamesTaken(
            revision=district.revision + 1 if renamed else None,
            kept=len(kept),
            renamed=len(renamed),
        )

    def _renamed(
        self,
        district_id: str,
        user: PublishedUser,
        held: Held,
        news: Mapping[str, Allocated],
        stamp: datetime,
    ) -> Renamed | None:
        """The user's texts with the new names; None where vendors see the same as before.

        A tombstone keeps the stamp of its deletion, from which its retention runs.
        """
        if user.status == "tobedeleted":
            return None
        authority = self._authority(district_id)
        before = with_names(user.record, held, authority)
        after = with_names(user.record, {**held, **news}, authority)
        if not news or before == after:
            return None
        return Renamed(
            person_id=user.person_id,
            fragments=render(
                Key("user", user.person_id),
                after,
                status=user.status,
                stamp=stamp_text(stamp),
                is_shown=lambda _target: False,
            ),
            cause=max(news.values(), key=lambda one: (one.time, one.cause.event_id)).cause,
        )


def _of(who: str, told: Sequence[Allocated]) -> Sequence[Allocated]:
    return [one for one in told if one.person_id == who]
