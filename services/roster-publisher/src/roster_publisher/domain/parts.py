"""Parts of a user that CSV packages tell as rows of their own: roles, and profiles by sign-in name.

The roster has no id for them. Theirs is made of what does not change while the part stays the same
one, so a role whose dates change keeps its id, and one that goes can be told as gone. Pure.
Source: OneRoster CSV binding 1.2.1, roles and userProfiles; ADR 0027.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import orjson

from roster_publisher.domain.csv_layout import ROLES, USER_PROFILES
from roster_publisher.domain.fragments import HOST_MARK

_ID_DIGITS: Final = 32
# What is kept of a part that is gone: a valid deletion, without dates and sign-in name.
_KEPT: Final[Mapping[str, frozenset[str]]] = {
    ROLES: frozenset({"roleType", "role", "orgSourcedId"}),
    USER_PROFILES: frozenset({"profileType", "vendorId", "credentialType"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A row of `file` that belongs to a user. `cells` are by column; `org_id` is of a role."""

    file: str
    part_id: str
    cells: Mapping[str, str]
    org_id: str | None = None


def parts_of(user_id: str, body: Mapping[str, Any]) -> Sequence[Part]:
    """Roles and profiles of a user's 1.2 body, as far as it has them."""
    profiles = _profiles(user_id, body.get("userProfiles", ()))
    # A role may name a profile, by its address; the row stands for its first sign-in name.
    rows: dict[str, str] = {}
    for profile_id, part in profiles:
        rows.setdefault(profile_id, part.part_id)
    return [*(part for _, part in profiles), *_roles(user_id, body.get("roles", ()), rows)]


def gone_parts(user_id: str, before: Iterable[str], after: Iterable[str]) -> Sequence[Part]:
    """Parts that the texts of field groups `before` have and those `after` have no more."""
    old, new = list(before), list(after)
    if old == new:
        return []
    left = {part.part_id for part in _read(user_id, new)}
    return [
        Part(
            file=part.file,
            part_id=part.part_id,
            org_id=part.org_id,
            cells={name: part.cells[name] for name in part.cells if name in _KEPT[part.file]},
        )
        for part in _read(user_id, old)
        if part.part_id not in left
    ]


def _read(user_id: str, groups: Iterable[str]) -> Sequence[Part]:
    inside = "".join(groups).removeprefix(",").replace(HOST_MARK, "")
    return parts_of(user_id, orjson.loads(f"{{{inside}}}"))


def _roles(
    user_id: str, roles: Sequence[Mapping[str, Any]], profiles: Mapping[str, str]
) -> Sequence[Part]:
    times: dict[tuple[str, str], int] = {}
    found = []
    for role in roles:
        # The same role at the same org again, as a rule for other days.
        kind = role["org"]["sourcedId"], role["role"]
        times[kind] = times.get(kind, 0) + 1
        cells = {
            "userSourcedId": user_id,
            "roleType": role["roleType"],
            "role": role["role"],
            "beginDate": role.get("beginDate", ""),
            "endDate": role.get("endDate", ""),
            "orgSourcedId": kind[0],
            "userProfileSourcedId": profiles.get(role.get("userProfile", ""), ""),
        }
        part_id = _id(ROLES, user_id, *kind, str(times[kind]))
        found.append(Part(file=ROLES, part_id=part_id, cells=cells, org_id=kind[0]))
    return found


def _profiles(user_id: str, profiles: Sequence[Mapping[str, Any]]) -> Sequence[tuple[str, Part]]:
    """With the address of each. A row needs a sign-in name: there is none without one."""
    found = []
    for profile in profiles:
        for place, credential in enumerate(profile.get("credentials", ())):
            cells = {
                "userSourcedId": user_id,
                "profileType": profile["profileType"],
                "vendorId": profile["vendorId"],
                "applicationId": profile.get("applicationId", ""),
                "description": profile.get("description", ""),
                "credentialType": credential["type"],
                "username": credential["username"],
            }
            address = profile["profileId"]
            part_id = _id(USER_PROFILES, user_id, address, str(place))
            found.append((address, Part(file=USER_PROFILES, part_id=part_id, cells=cells)))
    return found


def _id(*what: str) -> str:
    return sha256("\x00".join(what).encode()).hexdigest()[:_ID_DIGITS]
