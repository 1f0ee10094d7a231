"""Constrained values shared by event bodies. Pure types; refuses what no store could keep.

PostgreSQL cannot keep a NUL in text, so a NUL is refused here, at the door, and not there.
"""

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, WithJsonSchema

Entity: TypeAlias = Literal[
    "org", "academicSession", "course", "class", "user", "enrollment", "demographics"
]

# Also accepts other control characters: they occur in addresses and notes and do no harm.
Text: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]

# Outside ids arrive with blanks around them (PowerSchool's OneRoster), which then fail to match.
SourcedId: TypeAlias = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$"
    ),
]

Count: TypeAlias = Annotated[int, Field(ge=0)]
Percent: TypeAlias = Annotated[float, Field(ge=0, le=100)]
Moment: TypeAlias = AwareDatetime

_EXTENSION: Final = r"ext:[a-zA-Z0-9.\-_]+"


def _keepable(value: Any) -> Any:
    """Refuses text anywhere in an open object that cannot be stored: NUL, half a surrogate."""
    match value:
        case str():
            if "\x00" in value or (not value.isascii() and _has_surrogate(value)):
                raise ValueError("text cannot be stored")
        case dict():
            for name, item in value.items():
                _keepable(name)
                _keepable(item)
        case list():
            for item in value:
                _keepable(item)
        case _:
            pass
    return value


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


OpenObject: TypeAlias = Annotated[dict[str, Any], AfterValidator(_keepable)]


def open_enum_schema(*values: str) -> WithJsonSchema:
    """Schema of an OneRoster open enumeration: a value named here, or `ext:` and a word.

    Listed rather than hidden in a pattern, so that a removed value is seen as breaking.
    """
    return WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": list(values)},
                {"type": "string", "pattern": f"^{_EXTENSION}$"},
            ]
        }
    )


def open_enum_pattern(*values: str) -> StringConstraints:
    """What `open_enum_schema` describes, as one pattern, which validates fast."""
    return StringConstraints(pattern=rf"^(?:{'|'.join(values)}|{_EXTENSION})$")
