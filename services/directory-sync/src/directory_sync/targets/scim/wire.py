"""SCIM JSON on the wire: tolerant when read, exact when written. Pure, knows no HTTP.

Sources: RFC 7643 section 4.1 (User), RFC 7644 sections 3.5.2 (PATCH), 3.7 (Bulk), 3.12 (errors).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, unquote

import orjson

from directory_sync.domain.account import ActualAccount, Attributes, DesiredAccount
from directory_sync.domain.plan import Change, Create, Disable, Enable, Update
from directory_sync.targets.scim.desired import (
    DISPLAY_NAME,
    EXTERNAL_ID,
    FAMILY_NAME,
    GIVEN_NAME,
    USER_NAME,
    USER_TYPE,
    WORK_EMAIL,
)
from roster_common.errors import Retriable

USER_SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH_SCHEMA: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK_SCHEMA: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
READ_ATTRIBUTES: Final = "externalId,userName,displayName,name,userType,emails,active"

# RFC 7644 table 9. Anything else in that place is text of a stranger and goes nowhere.
_SCIM_TYPES: Final = frozenset(
    {
        "invalidFilter",
        "tooMany",
        "uniqueness",
        "mutability",
        "invalidSyntax",
        "invalidPath",
        "noTarget",
        "invalidValue",
        "invalidVers",
        "sensitive",
    }
)
_WORK: Final = "work"
_NUL: Final = "\x00"


class ScimUnreadable(Retriable):
    """The answer is not what RFC 7644 says it is; nothing may be concluded from it."""


def new_user(desired: DesiredAccount) -> dict[str, Any]:
    """The body that creates this account, enabled."""
    values = desired.attributes
    user: dict[str, Any] = {"schemas": [USER_SCHEMA], "active": True}
    for name in (EXTERNAL_ID, USER_NAME, DISPLAY_NAME, USER_TYPE):
        if name in values:
            user[name] = values[name]
    name_parts = {"givenName": values.get(GIVEN_NAME), "familyName": values.get(FAMILY_NAME)}
    user["name"] = {part: value for part, value in name_parts.items() if value is not None}
    if WORK_EMAIL in values:
        user["emails"] = [_work_email(values[WORK_EMAIL])]
    return user


def patch(action: Update | Disable | Enable) -> dict[str, Any]:
    """The PATCH body of an action; it names owned attributes only."""
    match action:
        case Update(changes=changes):
            operations = [_operation(change, action.actual) for change in changes]
        case Enable(changes=changes):
            operations = [_operation(change, action.actual) for change in changes]
            operations.append({"op": "replace", "path": "active", "value": True})
        case Disable():
            operations = [{"op": "replace", "path": "active", "value": False}]
    return {"schemas": [PATCH_SCHEMA], "Operations": operations}


def _operation(change: Change, actual: ActualAccount) -> dict[str, Any]:
    if change.value is None:
        path = 'emails[type eq "work"]' if change.name == WORK_EMAIL else change.name
        return {"op": "remove", "path": path}
    if change.name == WORK_EMAIL and WORK_EMAIL not in actual.attributes:
        # A filter path that selects nothing is an error (noTarget), so the entry is added.
        return {"op": "add", "path": "emails", "value": [_work_email(change.value)]}
    return {"op": "replace", "path": change.name, "value": change.value}


def _work_email(address: str) -> dict[str, Any]:
    return {"value": address, "type": _WORK, "primary": True}


def after(action: Create | Update | Disable | Enable, account_id: str) -> ActualAccount:
    """How the account stands once the target acknowledged `action` without showing it."""
    match action:
        case Create(desired=desired):
            return _actual(account_id, desired.attributes, enabled=True)
        case Disable(actual=actual):
            return _actual(account_id, actual.attributes, enabled=False)
        case Update(actual=actual, changes=changes) | Enable(actual=actual, changes=changes):
            changed = {change.name: change.value for change in changes}
            merged = {**actual.attributes, **changed}
            kept = {name: value for name, value in merged.items() if value is not None}
            return _actual(account_id, kept, enabled=True)


def _actual(account_id: str, attributes: Attributes, *, enabled: bool) -> ActualAccount:
    return ActualAccount(
        account_id=account_id,
        external_id=attributes.get(EXTERNAL_ID),
        username=attributes.get(USER_NAME, ""),
        email=attributes.get(WORK_EMAIL),
        enabled=enabled,
        attributes=attributes,
    )


def read_object(body: bytes) -> Mapping[str, Any]:
    """A JSON object. Raises ScimUnreadable when the body is anything else."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ScimUnreadable("not JSON") from None
    if not isinstance(value, dict):
        raise ScimUnreadable("not an object")
    return value


def read_text(value: object) -> str | None:
    """Text without what no store can keep (NUL); None when the value is no text."""
    return value.replace(_NUL, "") if isinstance(value, str) else None


def read_id(resource: Mapping[str, Any]) -> str:
    """The id of a resource. Raises ScimUnreadable when it has none that can be kept."""
    found = resource.get("id")
    if not isinstance(found, str) or not found or _NUL in found:
        raise ScimUnreadable("a resource without id")
    return found


def read_page(body: bytes) -> tuple[int, Sequence[Mapping[str, Any]]]:
    """A ListResponse: total, and the resources of this page. Raises ScimUnreadable."""
    answer = read_object(body)
    total, resources = answer.get("totalResults"), answer.get("Resources", [])
    if type(total) is not int or not isinstance(resources, list):
        raise ScimUnreadable("not a ListResponse")
    if not all(isinstance(resource, dict) for resource in resources):
        raise ScimUnreadable("a resource that is no object")
    return total, resources


def read_user(resource: Mapping[str, Any]) -> ActualAccount:
    """A User as the target shows it. Raises ScimUnreadable without id or userName."""
    account_id, username = read_id(resource), read_text(resource.get("userName"))
    if username is None:
        raise ScimUnreadable("a User without userName")
    name = resource.get("name")
    name = name if isinstance(name, dict) else {}
    shown = {
        EXTERNAL_ID: resource.get("externalId"),
        USER_NAME: username,
        DISPLAY_NAME: resource.get("displayName"),
        GIVEN_NAME: name.get("givenName"),
        FAMILY_NAME: name.get("familyName"),
        USER_TYPE: resource.get("userType"),
        WORK_EMAIL: _read_work_email(resource.get("emails")),
    }
    texts = {key: read_text(value) for key, value in shown.items()}
    attributes = {key: value for key, value in texts.items() if value}
    # RFC 7643 leaves `active` to the target; one that does not say has no switch.
    return _actual(account_id, attributes, enabled=resource.get("active") is not False)


def _read_work_email(emails: object) -> object:
    entries = emails if isinstance(emails, list) else []
    work = (e for e in entries if isinstance(e, dict) and e.get("type") == _WORK)
    return next((entry.get("value") for entry in work), None)


def read_list(body: bytes) -> tuple[int, Sequence[ActualAccount]]:
    """A ListResponse: total, and the users of this page."""
    total, resources = read_page(body)
    return total, [read_user(resource) for resource in resources]


def error_code(status: int, body: Mapping[str, Any]) -> str:
    """A stable code for a refusal: the scimType where it is a registered one, else the status."""
    scim_type = body.get("scimType")
    known = isinstance(scim_type, str) and scim_type in _SCIM_TYPES
    return f"scim_{scim_type}" if known else f"http_{status}"


def bulk(operations: Iterable[Create | Update | Disable | Enable]) -> dict[str, Any]:
    """A bulk request; bulkId is the place of the operation in it."""
    return {
        "schemas": [BULK_SCHEMA],
        "Operations": [_bulk_operation(place, action) for place, action in enumerate(operations)],
    }


def _bulk_operation(place: int, action: Create | Update | Disable | Enable) -> dict[str, Any]:
    if isinstance(action, Create):
        data = new_user(action.desired)
        return {"method": "POST", "path": "/Users", "bulkId": str(place), "data": data}
    return {
        "method": "PATCH",
        "path": user_path(action.actual.account_id),
        "bulkId": str(place),
        "data": patch(action),
    }


def user_path(account_id: str) -> str:
    """Where one User stands, from the base; an id may hold any character."""
    return f"/Users/{quote(account_id, safe='')}"


def id_in(location: object) -> str | None:
    """The id at the end of a resource's address; None when there is none that can be kept."""
    last = unquote(location.rpartition("/")[2]) if isinstance(location, str) else ""
    return last if last and _NUL not in last else None


def filter_equal(attribute: str, value: str) -> str:
    """`attribute eq "value"`, quoted as RFC 7644 section 3.4.2.2 asks: as a JSON string."""
    return f"{attribute} eq {orjson.dumps(value).decode()}"
