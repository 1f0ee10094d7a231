"""Roles and profiles have ids that last as long as they are the same ones."""

from typing import Any

from roster_publisher.domain.csv_cells import cell_of
from roster_publisher.domain.parts import gone_parts, parts_of

ROLE = {"roleType": "primary", "role": "student", "org": {"sourcedId": "s1"}}


def ids(*roles: dict[str, Any]) -> list[str]:
    return [part.part_id for part in parts_of("u1", {"roles": list(roles)})]


def test_another_date_or_order_is_the_same_role() -> None:
    aide = ROLE | {"role": "aide"}
    assert ids(ROLE) == ids(ROLE | {"beginDate": "2026-08-01", "roleType": "secondary"})
    assert set(ids(ROLE, aide)) == set(ids(aide, ROLE))


def test_the_same_role_twice_is_two_rows() -> None:
    early, late = ROLE | {"beginDate": "2026-01-01"}, ROLE | {"beginDate": "2026-06-01"}
    assert len(set(ids(early, late))) == 2
    assert ids(early, late) == ids(late, early)


def test_another_person_or_org_is_another_role() -> None:
    other = parts_of("u2", {"roles": [ROLE]})[0].part_id
    assert len({*ids(ROLE), *ids(ROLE | {"org": {"sourcedId": "s2"}}), other}) == 3


def test_a_gone_profile_keeps_no_sign_in_name() -> None:
    before = (
        ',"userProfiles":[{"profileId":"urn:p","profileType":"sso","vendorId":"v",'
        '"credentials":[{"type":"sso","username":"ada"}]}]'
    )
    (gone,) = gone_parts("u1", [before, ',"roles":[]'], ["", ',"roles":[]'])
    assert dict(gone.cells) == {"profileType": "sso", "vendorId": "v", "credentialType": "sso"}


def test_lists_are_one_cell() -> None:
    assert cell_of({"grades": ["09", "10"]}, "grades") == "09,10"
    assert cell_of({"subjects": ["a, b", 'c "d"']}, "subjects") == '"a, b","c ""d"""'
    assert cell_of({"metadata": {"n": 7, "t": "x"}}, "metadata.n") == "7"
    assert cell_of({}, "metadata.n") == ""
