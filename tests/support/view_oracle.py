"""What a grant should be served, worked out by brute force from the plain records.

Knows nothing of tables: it looks at every record after every commit. The rules are those of the
publisher's README, "Scope".
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, str]
Row = dict[str, Any]
_BLANK = {"givenName": "", "familyName": ""}


@dataclass(kw_only=True)
class ViewOracle:
    """One grant's view: feed it every commit, then ask for `rows` at any revision."""

    schools: frozenset[str]
    inside: set[Key] = field(default_factory=set)
    rows: dict[Key, Row] = field(default_factory=dict)
    _since: dict[Key, tuple[str, int]] = field(default_factory=dict)
    _at: dict[int, set[Key]] = field(default_factory=dict)

    def commit(
        self, revision: int, stamp: str, changed: Iterable[Key], records: Mapping[Key, Row]
    ) -> None:
        """`records` hold `_status`, `_stamp` and `_revision` beside their fields."""
        before = self.inside
        self.inside = self.members(set(changed), records)
        self._at[revision] = self.inside
        for key in before - self.inside:
            last = self.rows[key] | {"status": "tobedeleted", "dateLastModified": stamp}
            last = {k: v for k, v in last.items() if k in _KEPT[key[0]]}
            self.rows[key] = last | (_BLANK if key[0] == "user" else {})
        for key in self.inside:
            if key not in before:
                self._since[key] = (stamp, revision)
            self.rows[key] = self._row(key, records[key])

    def members(self, touched: set[Key], records: Mapping[Key, Row]) -> set[Key]:
        """What is inside now; a deleted record that nobody touched stays where it was."""
        return {
            key
            for key, record in records.items()
            if (
                key in self.inside
                if record["_status"] == "tobedeleted" and key not in touched
                else self._holds(key, record, records)
                or (key[0] == "course" and key in self.inside)
            )
        }

    def _holds(self, key: Key, record: Row, records: Mapping[Key, Row]) -> bool:
        entity, sourced_id = key
        match entity:
            case "org":
                return sourced_id in self.schools
            case "academicSession":
                return True
            case "user":
                return any(role["org"]["sourcedId"] in self.schools for role in record["roles"])
            case "class":
                return record["school"]["sourcedId"] in self.schools
            case "course":
                return any(
                    one["school"]["sourcedId"] in self.schools
                    for (kind, _), one in records.items()
                    if kind == "class" and one["course"]["sourcedId"] == sourced_id
                ) or ("org" in record and record["org"]["sourcedId"] in self.schools)
            case "demographics":
                return self._holds(("user", sourced_id), records["user", sourced_id], records)
            case _:
                school = record["school"]["sourcedId"]
                person = ("user", record["user"]["sourcedId"])
                of_class = records["class", record["class"]["sourcedId"]]["school"]["sourcedId"]
                there = school in self.schools and of_class == school
                return there and self._holds(person, records[person], records)

    def _row(self, key: Key, record: Row) -> Row:
        row = copy.deepcopy({k: v for k, v in record.items() if not k.startswith("_")})
        row["status"] = record["_status"]
        since, entered = self._since[key]
        row["dateLastModified"] = max(record["_stamp"], since)
        if "roles" in row:
            row["roles"] = [r for r in row["roles"] if r["org"]["sourcedId"] in self.schools]
        if "org" in row and row["org"]["sourcedId"] not in self.schools:
            del row["org"]
        if "agents" in row:
            there = self._at[max(record["_revision"], entered)]
            row["agents"] = [r for r in row["agents"] if ("user", r["sourcedId"]) in there]
        return row


_HEAD = ("sourcedId", "status", "dateLastModified")
_KEPT = {
    "org": (*_HEAD, "name", "type", "identifier"),
    "user": (*_HEAD, "enabledUser", "grades", "roles", "agents"),
    "class": (*_HEAD, "title", "grades", "subjects", "course", "school", "terms"),
    "course": (*_HEAD, "title", "courseCode", "grades", "subjects", "org"),
    "enrollment": (*_HEAD, "role", "user", "class", "school"),
    "demographics": _HEAD,
}
