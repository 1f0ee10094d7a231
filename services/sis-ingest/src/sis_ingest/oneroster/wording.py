"""OneRoster JSON, 1.1 and 1.2, to canonical 1.2 records. Pure.

Tolerant where providers deviate and the meaning is plain: blanks around ids, nulls for what is
not there, booleans as text. Source: oneroster.md §1; role table of 1.1 there.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from roster_common.contracts.oneroster import OBJECTS, to_record
from roster_common.contracts.validation import read_object
from roster_common.errors import Invalid
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.records import canonical
from sis_ingest.ports.pulls import Fact, Item, Piece, Sections

_GONE: Final = {"active": False, "tobedeleted": True, "inactive": True, "": False}
# 1.1 knows one administrator; 1.2 asks where. The type of the org decides.
_ADMINISTRATOR: Final = "administrator"
_ADMINISTRATOR_AT: Final = {"school": "siteAdministrator", "district": "districtAdministrator"}
_ANY_ADMINISTRATOR: Final = "siteAdministrator"
# 1.1 has eight roles in a class, 1.2 four; the others live on as extensions of the open list.
_ONLY_IN_1_1: Final = frozenset({"aide", "guardian", "parent", "relative"})
# What of its orgs decides an administrator's role; with it, a change there is one of the user.
_ORG_TYPES: Final = "orgTypes"
# Lists that some providers send as one text, as the CSV binding writes them.
_LISTS: Final = frozenset({"grades", "subjects", "subjectCodes", "periods"})
ENTITIES: Final[Mapping[Entity, tuple[str, ...]]] = {
    "org": ("orgs",),
    "academicSession": ("academicSessions",),
    "course": ("courses",),
    "class": ("classes",),
    "user": ("users",),
    "demographics": ("demographics",),
    "enrollment": ("enrollments",),
}
# Providers rewrite the date of what did not change.
VOLATILE: Final = frozenset({"dateLastModified", "password"})


class OneRosterWording:
    """`ports.pulls.Wording`: one item is one record."""

    def __init__(self, sections: Sections) -> None:
        self._org_types = {
            sourced_id(org): str(org.get("type")).lower() for org in sections("orgs")
        }

    def pieces(self, entity: Entity, section: str, item: Item) -> Iterable[Piece]:
        """See the port."""
        del entity, section
        return (Piece(external_id=sourced_id(item), content=self.placed(item)),)

    def read(self, entity: Entity, section: str, piece: Piece) -> Fact:
        """See the port."""
        del section
        item = piece.content
        gone = is_gone(item)
        body = {name: value for name, value in item.items() if value not in (None, "", [])}
        body["sourcedId"] = piece.external_id
        body.pop("status", None)
        body.pop("dateLastModified", None)
        body.pop(_ORG_TYPES, None)
        for name in _LISTS & body.keys():
            body[name] = _texts(body[name])
        if entity == "user":
            self._as_1_2(body)
        elif entity == "enrollment" and body.get("role") in _ONLY_IN_1_1:
            body["role"] = f"ext:{body['role']}"
        elif entity == "org":
            # Required in 1.2, optional in 1.1: the id is the best there is.
            body.setdefault("identifier", piece.external_id)
        elif entity == "course":
            body.setdefault("courseCode", piece.external_id)
        try:
            record = canonical(to_record(read_object(OBJECTS[entity], body)))
        except Invalid:
            if gone:
                # A tombstone may come without the rest of its record.
                return Fact(record=None, deleted=True)
            raise
        return Fact(record=record, deleted=gone)

    def placed(self, item: Item) -> Item:
        """An administrator of 1.1 with the types of their orgs; any other item as it is."""
        orgs = item.get("orgs")
        if item.get("role") != _ADMINISTRATOR or not isinstance(orgs, list):
            return item
        ids = [sourced_id(org) for org in orgs if isinstance(org, dict)]
        return {**item, _ORG_TYPES: [self._org_types.get(one) for one in ids]}

    def roles_of(self, user: Item) -> list[Item]:
        """What a user of 1.1 is: one role at some orgs, primary at every one of them."""
        return [
            {
                "roleType": "primary",
                "role": self._role_at(user.get("role"), sourced_id(org)),
                "org": {"sourcedId": sourced_id(org)},
            }
            for org in _objects(user.get("orgs") or [], "orgs")
        ]

    def _as_1_2(self, body: dict[str, Any]) -> None:
        if "roles" in body or "role" not in body:
            return
        body["roles"] = self.roles_of(body)
        del body["role"]
        body.pop("orgs", None)

    def _role_at(self, role: object, org: str) -> object:
        if role != _ADMINISTRATOR:
            return role
        return _ADMINISTRATOR_AT.get(self._org_types.get(org, ""), _ANY_ADMINISTRATOR)


def sourced_id(item: Item) -> str:
    """The item's id without the blanks that some providers put around it; empty if none."""
    found = item.get("sourcedId")
    return found.strip() if isinstance(found, str) else ""


def is_gone(item: Item) -> bool:
    """Whether the provider says that it has the record no more. Raises `Invalid`."""
    status = item.get("status") or ""
    try:
        return _GONE[str(status).strip().lower()]
    except KeyError:
        raise Invalid("unknown_status", field="status") from None


def _texts(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [text for part in value.split(",") if (text := part.strip())]


def _objects(value: object, name: str) -> list[Item]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Invalid("not_a_list", field=name)
    return value
