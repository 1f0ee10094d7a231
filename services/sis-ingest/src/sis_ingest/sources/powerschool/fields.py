"""Reading the fields of a PowerSchool item. Pure; each raises `Invalid` naming the field.

Numbers come as numbers or as text, and a list of one as its element. Source: README.md.
"""

from collections.abc import Mapping
from typing import Any

from roster_common.errors import Invalid
from sis_ingest.ports.pulls import Item


def posts_of(item: Item) -> list[Mapping[str, Any]]:
    """The affiliations; a list of one comes as its element."""
    found = inner(item, "school_affiliations").get("school_affiliation") or []
    posts = found if isinstance(found, list) else [found]
    if not all(isinstance(post, dict) and "school_id" in post for post in posts):
        raise Invalid("missing", field="school_affiliations.school_id")
    return posts


def at_work(item: Item) -> list[Mapping[str, Any]]:
    """The posts that have not ended; all of them if all have."""
    return [post for post in posts_of(item) if works(post)] or posts_of(item)


def works(post: Item) -> bool:
    """Whether the post has not ended."""
    return str(post.get("status", 1)) == "1"


def ref_to(word: str, item: Item, name: str) -> dict[str, str]:
    """A reference to the record that a field names by its DCID."""
    return {"sourcedId": f"{word}-{number_of(item, name)}"}


def inner(item: Item, name: str) -> Mapping[str, Any]:
    """An object inside; an empty one where there is none."""
    found = item.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Invalid("not_an_object", field=name)
    return found


def text_of(item: Item, name: str) -> str:
    """Trimmed; empty where there is none."""
    found = item.get(name)
    return "" if found is None else str(found).strip()


def number_of(item: Item, name: str) -> int:
    """A number, however it is written."""
    found = item.get(name)
    if isinstance(found, bool) or not isinstance(found, int | str):
        raise Invalid("not_a_number" if found is not None else "missing", field=name)
    try:
        return int(found)
    except ValueError:
        raise Invalid("not_a_number", field=name) from None
