"""What grants with rules should be served, worked out by brute force from the plain records.

Knows nothing of tables or of the product's rules: after every commit it looks at every record, with
loops. The rules are those of ADR 24.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.view_oracle import Key, Row, ViewOracle

Conditions = Mapping[str, Sequence[str]]
"""`schools`, `grades`, `courses`, `subjects`: those given must all hold."""


class Everywhere(frozenset[str]):
    """Holds every id."""

    def __contains__(self, _one: object) -> bool:
        return True


@dataclass(kw_only=True)
class RulePart:
    """What is in one rule's scope after each commit."""

    wanted: Conditions
    inside: set[Key] = field(default_factory=set)

    def begin(self, records: Mapping[Key, Row]) -> None:
        """The rule is new: what is active comes in, and what something active points at."""
        fresh = {key for key, record in records.items() if _active(record)}
        kept = {key for key in records if key[0] in {"org", "class", "course", "user"}}
        self.inside = self._members(fresh | kept, records)

    def commit(self, touched: set[Key], records: Mapping[Key, Row]) -> None:
        """A commit that changed `touched`."""
        self.inside = self._members(touched, records)

    def _members(self, touched: set[Key], records: Mapping[Key, Row]) -> set[Key]:
        before, now = self.inside, set[Key]()

        def stays(key: Key) -> bool:
            return not _active(records[key]) and key not in touched

        for entity, of in (
            ("org", self._org),
            ("class", lambda key: self._class(records[key], records)),
        ):
            now |= {k for k in _of(entity, records) if (k in before if stays(k) else of(k))}
        for key in _of("enrollment", records):
            fits = self._seat(records[key], records, now)
            if key in before if stays(key) else fits and (_active(records[key]) or key in before):
                now.add(key)
        seated = {
            ("user", records[key]["user"]["sourcedId"])
            for key in _of("enrollment", records)
            if key in now and _active(records[key])
        }
        for key in _of("user", records):
            if key in seated or (key in before if stays(key) else self._student(records[key])):
                now.add(key)
        for key in _of("demographics", records):
            if key in before if stays(key) else ("user", key[1]) in now:
                now.add(key)
        taught = {
            ("course", records[key]["course"]["sourcedId"])
            for key in _of("class", records)
            if key in now
        }
        return now | {k for k in _of("course", records) if k in before or k in taught}

    def _org(self, key: Key) -> bool:
        return "schools" not in self.wanted or key[1] in self.wanted["schools"]

    def _class(self, record: Row, records: Mapping[Key, Row]) -> bool:
        course = records["course", record["course"]["sourcedId"]]
        said: dict[str, list[str]] = {
            "schools": [record["school"]["sourcedId"]],
            "courses": [record["course"]["sourcedId"]],
            "grades": record.get("grades") or course.get("grades") or [],
            "subjects": record.get("subjects") or course.get("subjects") or [],
        }
        return all(set(values) & set(said[name]) for name, values in self.wanted.items())

    def _seat(self, record: Row, records: Mapping[Key, Row], now: set[Key]) -> bool:
        class_ = ("class", record["class"]["sourcedId"])
        person = records["user", record["user"]["sourcedId"]]
        at = {role["org"]["sourcedId"] for role in person["roles"]}
        return (
            class_ in now
            and records[class_]["school"] == record["school"]
            and ("schools" not in self.wanted or bool(at & set(self.wanted["schools"])))
        )

    def _student(self, record: Row) -> bool:
        if "courses" in self.wanted or "subjects" in self.wanted:
            return False
        at = {r["org"]["sourcedId"] for r in record["roles"] if r["role"] == "student"}
        said = {"schools": at, "grades": set(record.get("grades", ()))}
        return bool(at) and all(set(v) & said[name] for name, v in self.wanted.items())


@dataclass(kw_only=True)
class GrantOracle(ViewOracle):
    """A grant of schools and rules: whatever is in one of its scopes."""

    rules: Sequence[RulePart]
    orgs: ViewOracle | None = None

    def members(self, touched: set[Key], records: Mapping[Key, Row]) -> set[Key]:
        """What is in any of the scopes."""
        inside = {key for key in records if key[0] == "academicSession"}
        if self.orgs is not None:
            self.orgs.inside = self.orgs.members(touched, records)
            inside |= self.orgs.inside
        for rule in self.rules:
            rule.commit(touched, records)
            inside |= rule.inside
        return inside


def grant_oracle(schools: Iterable[str] | None, rules: Sequence[Conditions]) -> GrantOracle:
    """The oracle of a grant, before anything was published."""
    here = frozenset(schools or ())
    named: frozenset[str] = here | {s for rule in rules for s in rule.get("schools", ())}
    everywhere = any("schools" not in rule for rule in rules)
    return GrantOracle(
        schools=Everywhere() if everywhere else named,
        rules=[RulePart(wanted=rule) for rule in rules],
        orgs=None if schools is None else ViewOracle(schools=here),
    )


def _of(entity: str, records: Mapping[Key, Row]) -> Iterable[Key]:
    return [key for key in records if key[0] == entity]


def _active(record: Mapping[str, Any]) -> bool:
    return bool(record["_status"] == "active")
