"""How domain values stand in jsonb columns, and back. Pure text in, pure text out."""

from datetime import date
from hashlib import blake2b
from typing import Any

import orjson

from directory_sync.domain.account import ActualAccount
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


def load_class(text: str) -> RosterClass:
    """Read what `dump` wrote."""
    return RosterClass(**_dated(orjson.loads(text)))


def load_actual(text: str) -> ActualAccount:
    """Read what `dump` wrote."""
    return ActualAccount(**orjson.loads(text))


def _dated(spell: dict[str, Any]) -> dict[str, Any]:
    for end in ("begin", "end"):
        if spell[end] is not None:
            spell[end] = date.fromisoformat(spell[end])
    return spell
