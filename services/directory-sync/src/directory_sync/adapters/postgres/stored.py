"""How domain values stand in columns, and back. Pure."""

from datetime import date
from hashlib import blake2b
from typing import Any

import asyncpg
import orjson

from directory_sync.domain.account import AccountRecord, ActualAccount, Names, NameSource
from directory_sync.domain.ids import PersonId
from directory_sync.domain.person import Person, Role, RosterClass, Seat

HASH_BYTES = 16


def dump(value: Person | RosterClass | ActualAccount) -> str:
    """Canonical JSON: the same value always gives the same text."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def hash_of(text: str) -> bytes:
    """Hash of canonical JSON; two contents are the same when their hashes are."""
    return blake2b(text.encode(), digest_size=HASH_BYTES).digest()


def load_person(text: str) -> Person:
    """Read what `dump` wrote."""
    fields = orjson.loads(text)
    roles = tuple(Role(**_dated(role)) for role in fields.pop("roles"))
    seats = tuple(Seat(**_dated(seat)) for seat in fields.pop("seats"))
    person_id = PersonId(fields.pop("person_id"))
    return Person(person_id=person_id, roles=roles, seats=seats, **fields)


def load_actual(text: str) -> ActualAccount:
    """Read what `dump` wrote."""
    return ActualAccount(**orjson.loads(text))


def _dated(spell: dict[str, Any]) -> dict[str, Any]:
    for end in ("begin", "end"):
        if spell[end] is not None:
            spell[end] = date.fromisoformat(spell[end])
    return spell


def record_of(row: asyncpg.Record) -> AccountRecord | None:
    """The record in a row that has `known`, the names, `asked_at` and `observed`."""
    if not row["known"]:
        return None
    names = None
    if row["username"] is not None:
        names = Names(
            username=row["username"],
            email=row["email"],
            source=NameSource(row["username_source"]),
        )
    return AccountRecord(
        person_id=PersonId(row["person_id"]),
        names=names,
        actual=None if row["observed"] is None else load_actual(row["observed"]),
        asked_at=row["asked_at"],
    )
