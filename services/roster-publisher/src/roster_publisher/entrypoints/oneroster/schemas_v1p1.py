"""The bodies of OneRoster 1.1 as JSON Schema: those of 1.2 but for what 1.1 words differently.

There is no official file for 1.1; this is the data model in the shape of ours for 1.2. Types of
orgs, sessions and classes are those of 1.2, because extensions go out as they are. Source:
OneRoster 1.1, data model and payloads; ADR 0026.
"""

from typing import Final

from roster_publisher.domain.v1p1 import ROLES, V1P1_FIELDS
from roster_publisher.entrypoints.oneroster.schemas import (
    ERROR,
    NAMES,
    Schema,
    pointer,
    schemas,
)

CODE_MINORS: Final = ("invalid_sort_field", "invalid_blank_selection_field")
_ONLY_V1P2: Final = frozenset({"RoleDType", "CredentialDType", "UserProfileDType"})
_FLAG: Final[Schema] = {"type": "boolean"}
_ROLE: Final[Schema] = {"type": "string", "enum": sorted(set(ROLES.values()))}


def v1p1_schemas() -> dict[str, Schema]:
    """Every schema by the name of its like in 1.2."""
    named = {name: one for name, one in schemas().items() if name not in _ONLY_V1P2}
    _change(named["UserDType"], username={"type": "string"}, enabledUser=_FLAG, role=_ROLE)
    orgs = {"type": "array", "minItems": 0, "items": pointer("OrgGUIDRefDType")}
    _change(named["UserDType"], orgs=orgs)
    _drop_unknown(named["UserDType"])
    _change(named["ClassDType"], periods={"type": "string"})
    _change(named["EnrollmentDType"], role=_ROLE, primary=_FLAG)
    answers = named["DemographicsDType"]["properties"]
    _change(
        named["DemographicsDType"],
        sex={"type": "string", "enum": ["male", "female"]},
        **{name: _FLAG for name, one in answers.items() if one.get("enum") == ["true", "false"]},
    )
    _say_more(named)
    return named


def _change(schema: Schema, **properties: Schema) -> None:
    schema["properties"].update(properties)


def _drop_unknown(user: Schema) -> None:
    known = V1P1_FIELDS["user"]
    user["properties"] = {name: one for name, one in user["properties"].items() if name in known}
    required = [name for name in user["required"] if name in known]
    user["required"] = [*required, "username", "role", "orgs"]


def _say_more(named: dict[str, Schema]) -> None:
    """Errors name the message they answer; warnings stand beside the rows."""
    error = named[ERROR]
    _change(error, imsx_messageRefIdentifier={"type": "string"})
    error["required"] = [*error["required"], "imsx_messageRefIdentifier"]
    values = named["imsx_CodeMinorFieldDType"]["properties"]["imsx_codeMinorFieldValue"]
    values["enum"] = [*values["enum"], *CODE_MINORS]
    warnings = {"type": "array", "minItems": 1, "items": pointer(ERROR)}
    for name in NAMES.values():
        for body in (f"{name}SetDType", f"Single{name}DType"):
            _change(named[body], statusInfoSet=warnings)
