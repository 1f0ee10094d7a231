"""What may leave a process in logs and traces: a pure rule on field names and on exceptions.

Students are minors: ids only. A name on the list is dropped whatever it holds; an exception that is
not ours is shown by its class and places only, because its text may quote a row or an input.
"""

import traceback
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import PurePath
from types import TracebackType

from roster_common.errors import HomeroomError

DROPPED = "[dropped]"
OUR_PACKAGES = frozenset(
    {
        "roster_common",
        "sis_ingest",
        "roster_publisher",
        "directory_sync",
        "ticket_events",
        "homeroom",
    }
)

# People by the words of OneRoster, SCIM, LDAP and the help desks; secrets; whole contents.
_PRIVATE_WORDS = """
    name fullname displayname givenname familyname middlename firstname lastname nickname initials
    preferredfirstname preferredmiddlename preferredlastname formattedname sn cn gecos
    email emails mail proxyaddresses userprincipalname upn username login samaccountname
    phone phones phonenumber phonenumbers mobile sms fax address addresses street city postcode zip
    birthdate dateofbirth dob birthday sex gender ethnicity race countryofbirthcode
    cityofbirth stateofbirthabbreviation publicschoolresidencestatus demographics
    identifier studentnumber ssn photo requester assignee comment comments subject description
    password passwd userpassword unicodepwd secret token accesstoken refreshtoken apikey
    privatekey authorization cookie setcookie credential credentials signature webhooksignature
    body payload record records row rows data value values content params parameters
    headers query querystring before after input
"""
_PRIVATE_NAMES = frozenset(_PRIVATE_WORDS.split())
_PRIVATE_ENDINGS = ("password", "secret", "token", "apikey", "privatekey", "email", "phone")
_MAX_DEPTH = 6
_MAX_TEXT = 1_000
_MAX_FRAMES = 12


@lru_cache(maxsize=2_000)
def is_private(field: str) -> bool:
    """Say whether a field of this name is dropped; case, `_` and `-` make no difference."""
    plain = field.replace("_", "").replace("-", "").lower()
    return plain in _PRIVATE_NAMES or plain.endswith(_PRIVATE_ENDINGS)


def without_private(fields: Mapping[str, object]) -> dict[str, object]:
    """Give a copy in which each private field, at any depth, holds "[dropped]" instead."""
    return {
        name: DROPPED if is_private(name) else _clean(value, 1) for name, value in fields.items()
    }


def describe_error(error: BaseException) -> list[dict[str, object]]:
    """Give an error and its causes, outermost first: class, places in our code, and our own text.

    The text is kept for HomeroomError alone, whose messages hold no values by rule.
    """
    return [_describe_one(one) for one in _chain(error)]


def _clean(value: object, depth: int) -> object:
    if depth > _MAX_DEPTH:
        return DROPPED
    match value:
        case str():
            return value if len(value) <= _MAX_TEXT else value[:_MAX_TEXT] + "…"
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {
                str(name): DROPPED if is_private(str(name)) else _clean(part, depth + 1)
                for name, part in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [_clean(part, depth + 1) for part in value]
        case bytes() | bytearray() | memoryview():
            return DROPPED
        case BaseException():
            return type(value).__qualname__
        case PurePath():
            return str(value)
        case _:
            return _plain(value)


def _plain(value: object) -> object:
    """Ids, dates and enumerations have a harmless text; any other object could print its fields."""
    if type(value).__module__ in {"datetime", "uuid", "decimal", "ipaddress", "enum"}:
        return str(value)
    inner = getattr(value, "value", None)
    return inner if isinstance(inner, str | int) else f"<{type(value).__qualname__}>"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting and len(seen) < _MAX_FRAMES:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting.extend(one.exceptions)
        waiting.append(one.__cause__ or (None if one.__suppress_context__ else one.__context__))


def _describe_one(error: BaseException) -> dict[str, object]:
    kind = type(error)
    described: dict[str, object] = {
        "type": f"{kind.__module__}.{kind.__qualname__}",
        "at": _places(error.__traceback__),
    }
    if isinstance(error, HomeroomError):
        described["text"] = str(error)[:_MAX_TEXT]
    return described


def _places(trace: TracebackType | None) -> list[str]:
    """Give `package/module.py:line function` for our frames, and for the last one in any case."""
    frames = list(traceback.walk_tb(trace))
    last = len(frames) - 1
    places = [
        f"{_short(frame.f_globals.get('__name__'), frame.f_code.co_filename)}:{line} "
        f"{frame.f_code.co_name}"
        for index, (frame, line) in enumerate(frames)
        if index == last or _package(frame.f_globals.get("__name__")) in OUR_PACKAGES
    ]
    return places[-_MAX_FRAMES:]


def _package(module: object) -> str:
    return module.partition(".")[0] if isinstance(module, str) else ""


def _short(module: object, filename: str) -> str:
    if isinstance(module, str) and module != "__main__":
        return module
    return PurePath(filename).name
