"""Fields as agreed: what a grant sends of a field is nothing, a hash of it, or its year. Pure.

Bodies are OneRoster 1.2 bodies as parsed JSON; they are changed in place and given back. They stay
valid: a required text is empty where it is dropped, a hash is a text, a year is its first of
January. Source: OneRoster 1.2 rostering OpenAPI file; ADR 0028.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, TypeAlias

import orjson

from roster_common.errors import Fatal
from roster_publisher.domain.access import Grant, How, Transform
from roster_publisher.domain.field_kinds import ENTITIES, allowed, is_required
from roster_publisher.domain.views import Body

Change: TypeAlias = Callable[[Any], Any]

_TOLD: Final[Mapping[How, str]] = {"drop": "dropped", "hash": "hashed", "year": "cut to its year"}
KEY_BYTES: Final = 32
# What a value is changed into where nothing of it may stay.
_GONE: Final = object()
_YEAR: Final = re.compile(r"\d{4}(?=-\d\d-\d\d)")
_LONGEST_NAME: Final = 200


class BadTransform(ValueError):
    """The message names the field, and says why it cannot be transformed like that."""


def read_transforms(told: Mapping[str, How]) -> tuple[Transform, ...]:
    """Transformations by the name of their field, as grants hold them. Raises `BadTransform`."""
    found = [_read(name, how) for name, how in sorted(told.items())]
    for place, one in enumerate(found):
        for other in found[:place] + found[place + 1 :]:
            met = one.entity is None or other.entity in {None, one.entity}
            if met and f"{other.path}.".startswith(f"{one.path}."):
                raise BadTransform(f"{one.name} and {other.name} are about one field")
    return tuple(found)


def read_key(text: str) -> bytes:
    """The installation's key for hashes, base64 of 32 bytes. Raises ValueError for others."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError("a hash key is base64 of 32 bytes")
    return key


def key_id(key: bytes) -> str:
    """16 hexadecimal digits that tell keys apart and say nothing of them."""
    return hashlib.sha256(b"homeroom hash key\x00" + key).hexdigest()[:16]


def keyed(grant: Grant, hash_key: bytes | None) -> Grant:
    """The grant as this installation keeps it: with the id of the key, where values are hashed."""
    used = key_id(hash_key) if hash_key is not None and grant.hashes else None
    return replace(grant, hash_key_id=used)


def transforms_of(grant: Grant, entity: str) -> Sequence[Transform]:
    """What the grant transforms in an `entity`."""
    return _of(grant.transforms, entity)


def transform(
    bodies: Sequence[Body], grant: Grant, entity: str, *, hash_key: bytes | None
) -> Sequence[Body]:
    """What the grant sends of the bodies. Raises `Fatal` without the key that a hash needs."""
    for one in transforms_of(grant, entity):
        change = _change(one, grant, entity, hash_key)
        for body in bodies:
            _walk(body, one.path.split("."), change)
    return bodies


def stands_at(body: Body, path: str) -> bool:
    """Whether there is anything at `path` of the body, which stays as it is."""
    met: list[Any] = []

    def meet(value: Any) -> Any:
        met.append(value)
        return value

    _walk(body, path.split("."), meet)
    return bool(met)


def hashed(text: str, path: str, *, grant: Grant, hash_key: bytes) -> str:
    """64 hexadecimal digits: stable for a vendor and a field, different for every other one.

    Without the key nobody finds the value by trying all there are. Source: HMAC, RFC 2104.
    """
    own = _vendor_key(hash_key, grant.district_id, grant.client_id)
    return hmac.digest(own, f"{path}\x00{text}".encode(), "sha256").hex()


def _read(name: str, how: How) -> Transform:
    told = name[:_LONGEST_NAME]
    first, _, rest = name.partition(".")
    entity = first if first in ENTITIES and rest else None
    one = Transform(path=rest if entity else name, how=how, entity=entity)
    kinds = [entity] if entity else ENTITIES
    ways = {kind: ways for kind in kinds if (ways := allowed(one.path, kind)) is not None}
    if not ways:
        raise BadTransform(f"{told}: there is no such field")
    for kind, hows in ways.items():
        if not hows:
            raise BadTransform(f"{told}: of {kind} it is needed as it is")
        if how not in hows:
            ways_told = " or ".join(_TOLD[way] for way in sorted(hows))
            raise BadTransform(f"{told}: of {kind} it can be {ways_told}, not {_TOLD[how]}")
    return one


@lru_cache(maxsize=1_000)
def _of(transforms: tuple[Transform, ...], entity: str) -> Sequence[Transform]:
    mine = (one for one in transforms if one.entity in {None, entity})
    return tuple(one for one in mine if allowed(one.path, entity))


def _change(one: Transform, grant: Grant, entity: str, hash_key: bytes | None) -> Change:
    if one.how == "drop":
        rest = "" if is_required(one.path, entity) else _GONE
        return lambda _value: rest
    if one.how == "year":
        return _first_of_january
    if hash_key is None:
        raise Fatal("HOMEROOM_HASH_KEY is missing, which a grant that hashes needs")
    key = hash_key
    return lambda value: _hash_all(value, one.path, grant=grant, hash_key=key)


def _first_of_january(day: Any) -> Any:
    found = _YEAR.match(day) if isinstance(day, str) else None
    return f"{found[0]}-01-01" if found else _GONE


def _hash_all(value: Any, path: str, *, grant: Grant, hash_key: bytes) -> Any:
    """Of a list each, of an object the whole; an empty text, and what is not there, stay so."""
    if isinstance(value, list):
        return [_hash_all(one, path, grant=grant, hash_key=hash_key) for one in value]
    if value is None or value == "":
        return value
    plain = value
    if not isinstance(value, str):
        plain = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return hashed(plain, path, grant=grant, hash_key=hash_key)


def _walk(holder: Any, names: Sequence[str], change: Change) -> None:
    """Change what stands at `names` in an object, or in each of a list, whatever it holds.

    Metadata of files has names with dots in them, where others have objects in objects.
    """
    if isinstance(holder, list):
        for one in holder:
            _walk(one, names, change)
    if not isinstance(holder, dict):
        return
    wanted = ".".join(names)
    for name in list(holder):
        if f"{name}.".startswith(f"{wanted}."):
            changed = change(holder[name])
            if changed is _GONE:
                del holder[name]
            else:
                holder[name] = changed
        elif wanted.startswith(f"{name}."):
            _walk(holder[name], wanted[len(name) + 1 :].split("."), change)


@lru_cache(maxsize=1_000)
def _vendor_key(hash_key: bytes, district_id: str, client_id: str) -> bytes:
    whose = orjson.dumps(["homeroom field hash", district_id, client_id])
    return hmac.digest(hash_key, whose, "sha256")
