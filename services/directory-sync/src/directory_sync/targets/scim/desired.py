"""A person of the roster -> the SCIM User they must have. Pure.

The keys are the attributes that we own, written as SCIM PATCH paths (RFC 7644 section 3.5.2). Least
data: names, type and work address; no grades, birthdays, phones or guardians.
"""

from typing import Final

from directory_sync.domain.account import DesiredAccount, Names
from directory_sync.domain.person import Person, Role

EXTERNAL_ID: Final = "externalId"
USER_NAME: Final = "userName"
DISPLAY_NAME: Final = "displayName"
GIVEN_NAME: Final = "name.givenName"
FAMILY_NAME: Final = "name.familyName"
USER_TYPE: Final = "userType"
WORK_EMAIL: Final = 'emails[type eq "work"].value'


def desired(person: Person, names: Names, role: Role) -> DesiredAccount:
    """The account of a person who may use one; `role` is the one that gives it."""
    given, family = person.given_name.strip(), person.family_name.strip()
    shown = f"{person.preferred_first_name or given} {person.preferred_last_name or family}"
    attributes = {
        EXTERNAL_ID: str(person.person_id),
        USER_NAME: names.username,
        DISPLAY_NAME: shown.strip(),
        GIVEN_NAME: given,
        FAMILY_NAME: family,
        USER_TYPE: role.role,
        WORK_EMAIL: names.email or "",
    }
    return DesiredAccount(
        person_id=person.person_id,
        username=names.username,
        email=names.email,
        attributes={name: value for name, value in attributes.items() if value},
    )
