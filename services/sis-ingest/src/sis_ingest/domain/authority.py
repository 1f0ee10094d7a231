"""Which of several sources speaks for a record: one authority for each place. Pure.

A place is a school, by our id, or the district itself. Each source that knows a record puts it
into a place; the sources with authority over these places may speak, and everybody else is silent.
Source: ADR 0018; with no authority laid down, ADR 0014.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sis_ingest.domain.changes import Cause
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.publish import GoneReason, ResolvedKey, Said, Voice
from sis_ingest.domain.records import Record

# The place of what belongs to the whole district, and of every school without a line of its own.
DISTRICT: Final = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Source by place. `supplements` are sources that are heard only where nobody else may speak.

    Empty `sources` mean that nothing is laid down: every source may speak of everything.
    """

    sources: Mapping[str, str] = field(default_factory=dict)
    supplements: Set[str] = frozenset()

    def of(self, school_id: str) -> str | None:
        """The source with authority over a place; None where nothing is laid down."""
        return self.sources.get(school_id) or self.sources.get(DISTRICT)

    def with_place(self, school_id: str, source_id: str | None) -> "Authority":
        """A copy where one place has another source, or none of its own."""
        others = {place: one for place, one in self.sources.items() if place != school_id}
        own = {} if source_id is None else {school_id: source_id}
        return Authority(sources={**others, **own}, supplements=self.supplements)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What is known of a record; `silent` where no source that has it may speak for it."""

    record: Record
    voice: Voice
    silent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """One line of the table: who has authority over a place, since when, by whose word."""

    school_id: str
    source_id: str
    since: datetime
    decided_by: str


def school_of(entity: Entity, record: Record) -> str:
    """The school that decides who speaks for a record, by the ids in it; else the district.

    A class and an enrollment are their school's; a person is of the primary org, or of the org of
    the primary role. Orgs, sessions and courses are the district's. Demographics name no school:
    they follow their person.
    """
    if entity == "user":
        return _id(record.get("primaryOrg") or _primary_role(record).get("org"))
    return _id(record.get("school")) if entity in ("class", "enrollment") else DISTRICT


def speaker(voices: Iterable[Voice], authority: Authority) -> Voice | None:
    """Who speaks; None when every source that has the record is silent, or none has it.

    Of the living, those with authority over a place where any of them puts the record: first who
    puts it into a place of its own, then the district's source, then who has meant it for longest.
    A supplement speaks when there is nobody else. It does not depend on who spoke last, so sources
    that disagree do not take turns, and the order of deliveries does not matter.
    """
    living = alive(voices)
    extra = [voice for voice in living if voice.place.source_id in authority.supplements]
    full = [voice for voice in living if voice.place.source_id not in authority.supplements]
    named = {authority.of(voice.school_id) for voice in full}
    heard = [
        voice
        for voice in full
        if voice.place.source_id in named or authority.of(voice.school_id) is None
    ]

    def rank(voice: Voice) -> tuple[Any, ...]:
        own = authority.of(voice.school_id) in (voice.place.source_id, None)
        default = voice.place.source_id == authority.of(DISTRICT)
        return not own, not default, *_age(voice)

    return min(heard or extra, key=rank, default=None)


def spoken_by(voices: Sequence[Voice], authority: Authority) -> Spoken | None:
    """What is known of a record, and whether anybody may say so; None when no source has it."""
    heard = speaker(voices, authority)
    known = heard or oldest(voices)
    if known is None or known.record is None:
        return None
    return Spoken(record=known.record, voice=known, silent=heard is None)


def to_said(
    key: ResolvedKey, spoken: Spoken | None, *, cause: Cause, gone: GoneReason | None = None
) -> Said:
    """The same as what is true of the resolved record now; `gone` says why, if it is known."""
    silent = spoken is not None and spoken.silent
    return Said(
        entity=key[0],
        entity_id=key[1],
        record=None if spoken is None else spoken.record,
        silent=silent,
        cause=cause,
        gone=gone or ("no_authority" if silent else "source_deleted"),
    )


def oldest(voices: Iterable[Voice]) -> Voice | None:
    """Of the living, the one that has meant this record for longest."""
    return min(alive(voices), key=_age, default=None)


def alive(voices: Iterable[Voice]) -> Sequence[Voice]:
    """Those whose source still has the record."""
    return [voice for voice in voices if not voice.deleted and voice.record is not None]


def _age(voice: Voice) -> tuple[datetime, str, str]:
    return voice.since, voice.place.source_id, voice.external_id


def _primary_role(record: Record) -> Mapping[str, Any]:
    roles: Sequence[Mapping[str, Any]] = record.get("roles") or [{}]
    return next((role for role in roles if role.get("roleType") == "primary"), roles[0])


def _id(reference: Any) -> str:
    return DISTRICT if reference is None else str(reference["sourcedId"])
