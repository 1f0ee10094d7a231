"""PowerSchool's notifications as they come in: JSON or XML, nested in whatever way. Pure.

No public page shows the body, so what is looked for is found wherever it stands: the subscriber's
`key`, and for each event the kind and the number of a record. Source: systems.md §1.1.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.etree import ElementTree as ET

import orjson

from roster_common.errors import Invalid
from sis_ingest.domain.deliveries import Hint

# The section of ours for each kind of record; a trial tells nothing.
SECTIONS: Final[Mapping[str, str]] = {
    "school": "schools",
    "term": "terms",
    "course": "courses",
    "staff": "staff",
    "section": "sections",
    "student": "students",
    "section_enrollment": "section_enrollments",
}
TRIAL: Final = "test_subscription"
_MAX_DEPTH: Final = 20
_MAX_EVENTS: Final = 1_000
_MAX_ELEMENTS: Final = 10_000
_MAX_DIGITS: Final = 18
_EVENT: Final = "event_type"
_REF_PARTS: Final = 2


def parse(body: bytes) -> Any:
    """The body as plain values, names in lower case. Raises `Invalid`: malformed_body."""
    try:
        if body.lstrip()[:1] == b"<":
            return _lowered(_from_xml(body), _MAX_DEPTH)
        return _lowered(orjson.loads(body), _MAX_DEPTH)
    except (ET.ParseError, ValueError, LookupError):
        raise Invalid("malformed_body") from None


def key_of(tree: Any) -> str:
    """The key that the sender echoes; empty if none stands anywhere."""
    for node in _nodes(tree):
        found = node.get("key")
        if isinstance(found, str | int):
            return str(found).strip()
    return ""


def hints_of(tree: Any) -> Iterator[Hint]:
    """What to read, in order. Raises `Invalid` naming what is not understood."""
    events = [node for node in _nodes(tree) if _EVENT in node]
    if not events:
        raise Invalid("missing", field=_EVENT)
    if len(events) > _MAX_EVENTS:
        raise Invalid("too_many_events")
    for event in events:
        kind, number = _record(event)
        if kind == TRIAL:
            continue
        if kind not in SECTIONS:
            raise Invalid("unknown_resource", field="entity")
        if not number.isascii() or not number.isdigit() or len(number) > _MAX_DIGITS:
            raise Invalid("not_a_number", field="id")
        yield Hint(section=SECTIONS[kind], item_id=str(int(number)))


def _record(event: Mapping[str, Any]) -> tuple[str, str]:
    """(kind, number): named outright, by the address, or by a child named like its kind."""
    kind, number = _text(event.get("entity")), _text(event.get("id"))
    ref = _text(event.get("ref"))
    for name, child in event.items():
        if isinstance(child, dict) and (name in SECTIONS or name == TRIAL):
            kind, number = kind or name, number or _text(child.get("id"))
            ref = ref or _text(child.get("ref"))
    parts = ref.rstrip("/").split("/")
    if len(parts) >= _REF_PARTS:
        kind, number = kind or parts[-2], number or parts[-1]
    if not kind:
        raise Invalid("missing", field="entity")
    if not number and kind != TRIAL:
        raise Invalid("missing", field="id")
    return kind.lower(), number


def _text(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int) and value is not True else ""


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object in it, outer ones first; none inside an event."""
    if isinstance(tree, list):
        for item in tree:
            yield from _nodes(item)
    elif isinstance(tree, dict):
        yield tree
        if _EVENT not in tree:
            for value in tree.values():
                yield from _nodes(value)


def _from_xml(body: bytes) -> Any:
    # As text it is UTF-8 whatever it calls itself: nothing hides in another encoding.
    text = body.decode("utf-8")
    if "\0" in text:
        raise Invalid("malformed_body")
    if "<!" in text.replace("<!--", ""):
        # No notification needs declarations, and entities are how documents are made to explode.
        raise Invalid("declarations_not_allowed")
    root = ET.fromstring(text)  # noqa: S314 - without declarations there are no entities
    if sum(1 for _ in root.iter()) > _MAX_ELEMENTS:
        raise Invalid("too_many_elements")
    return {root.tag: _element(root, _MAX_DEPTH)}


def _element(element: ET.Element, levels: int) -> Any:
    if levels == 0:
        raise Invalid("nested_too_deeply")
    text = (element.text or "").strip()
    # An attribute beside a text says of what type the text is.
    if not len(element) and (text or not element.attrib):
        return text
    found: dict[str, Any] = dict(element.attrib)
    for child in element:
        name = child.tag.rpartition("}")[2]
        value = _element(child, levels - 1)
        before = found.get(name)
        if isinstance(before, list):
            before.append(value)
        else:
            found[name] = value if before is None else [before, value]
    return found


def _lowered(value: Any, levels: int) -> Any:
    if levels == 0:
        raise Invalid("nested_too_deeply")
    if isinstance(value, dict):
        return {str(k).lower(): _lowered(item, levels - 1) for k, item in value.items()}
    if isinstance(value, list):
        return [_lowered(item, levels - 1) for item in value]
    return value
