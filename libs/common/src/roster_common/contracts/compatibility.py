"""Finds what in a new schema would break a reader or writer of the old one. Pure.

The rule (models of Confluent's registry, narrowed): within a version, fields may only be added,
and only optional ones. Both directions count, because during a roll-out old and new processes
read each other's events. A wider change is a new version beside the old.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Schema: TypeAlias = Mapping[str, Any]

# Keyword and the sign that makes a larger value stricter.
_BOUNDS: Final = {
    "minimum": 1, "exclusiveMinimum": 1, "minLength": 1, "minItems": 1, "minProperties": 1,
    "maximum": -1, "exclusiveMaximum": -1, "maxLength": -1, "maxItems": -1, "maxProperties": -1,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One schema with the document its references point into."""

    root: Schema
    node: Schema

    def at(self, node: Schema) -> "_Side":
        return _Side(root=self.root, node=node)

    def alternatives(self) -> list[Schema]:
        """The node as a flat list of plain schemas, references followed."""
        return list(_flatten(self.node, self.root))


def breaking_changes(old_schema: Schema, new_schema: Schema) -> list[str]:
    """Each breaking change as `path: what`, in document order; empty when there is none."""
    old = _Side(root=old_schema, node=old_schema)
    new = _Side(root=new_schema, node=new_schema)
    return list(_compare("$", old, new))


def _compare(path: str, old: _Side, new: _Side) -> Iterator[str]:
    before, after = old.alternatives(), new.alternatives()
    yield from _types(path, before, after)
    yield from _values(path, before, after)
    yield from _limits(path, before, after)
    for kind, compare in (("object", _objects), ("array", _arrays)):
        left = [part for part in before if part.get("type") == kind]
        right = [part for part in after if part.get("type") == kind]
        if left and right:
            yield from compare(path, old.at(left[0]), new.at(right[0]))


def _types(path: str, before: list[Schema], after: list[Schema]) -> Iterator[str]:
    was, now = _type_names(before), _type_names(after)
    lost = set() if "any" in now else was - now
    # Null is never written, so allowing it to be read harms nobody.
    gained = set() if "any" in was else now - was - {"null"}
    if lost:
        yield f"{path}: type narrowed, no longer {_words(lost)}"
    if gained:
        yield f"{path}: type widened, now also {_words(gained)}"


def _type_names(parts: list[Schema]) -> set[str]:
    names: set[str] = set()
    for part in parts:
        kind = part.get("type")
        if kind is None:
            kind = {_json_type(value) for value in _listed(part)} or "any"
        names |= {kind} if isinstance(kind, str) else set(kind)
    return names


def _json_type(value: object) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case None:
            return "null"
        case _:
            return "string"


def _values(path: str, before: list[Schema], after: list[Schema]) -> Iterator[str]:
    was = {value for part in before for value in _listed(part)}
    now = {value for part in after for value in _listed(part)}
    if was and now and was - now:
        yield f"{path}: enum value removed, {_words(was - now)}"
    if now and not was:
        yield f"{path}: type narrowed to an enum"


def _listed(part: Schema) -> list[Any]:
    return [part["const"]] if "const" in part else list(part.get("enum", ()))


def _limits(path: str, before: list[Schema], after: list[Schema]) -> Iterator[str]:
    for word in ("pattern", "format"):
        was = {part[word] for part in before if word in part}
        now = {part[word] for part in after if word in part}
        if now - was:
            yield f"{path}: {word} narrowed"
    for word, sign in _BOUNDS.items():
        limits_before = [part[word] for part in before if word in part]
        limits_after = [part[word] for part in after if word in part]
        if not limits_after:
            continue
        if not limits_before or max(sign * n for n in limits_after) > max(
            sign * n for n in limits_before
        ):
            yield f"{path}: {word} narrowed"


def _objects(path: str, old: _Side, new: _Side) -> Iterator[str]:
    before: Schema = old.node.get("properties", {})
    after: Schema = new.node.get("properties", {})
    must_before = set(old.node.get("required", ()))
    must_after = set(new.node.get("required", ()))
    for name in before:
        if name not in after:
            yield f"{path}.{name}: property removed"
    for name in sorted(must_after - must_before):
        yield f"{path}.{name}: newly required"
    for name in sorted((must_before & set(after)) - must_after):
        yield f"{path}.{name}: no longer required, old readers need it"
    yield from _openness(path, old, new)
    for name in before:
        if name in after:
            yield from _compare(f"{path}.{name}", old.at(before[name]), new.at(after[name]))


def _openness(path: str, old: _Side, new: _Side) -> Iterator[str]:
    was = old.node.get("additionalProperties", True)
    now = new.node.get("additionalProperties", True)
    if now is False and was is not False:
        yield f"{path}: object closed"
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        yield from _compare(f"{path}.*", old.at(was), new.at(now))
    names_before = old.node.get("propertyNames")
    names_after = new.node.get("propertyNames")
    if names_after is not None:
        yield from _compare(f"{path}[key]", old.at(names_before or {}), new.at(names_after))


def _arrays(path: str, old: _Side, new: _Side) -> Iterator[str]:
    before, after = old.node.get("items", {}), new.node.get("items", {})
    yield from _compare(f"{path}[]", old.at(before), new.at(after))


def _flatten(node: Schema, root: Schema) -> Iterator[Schema]:
    if "$ref" in node:
        name = str(node["$ref"]).rpartition("/")[2]
        yield from _flatten(root["$defs"][name], root)
        return
    options = node.get("anyOf") or node.get("oneOf")
    if options is None:
        yield node
        return
    for option in options:
        yield from _flatten(option, root)


def _words(values: set[Any]) -> str:
    return ", ".join(sorted(str(value) for value in values))
