"""Which files of a drop are taken, and when they count as finished."""

from datetime import UTC, datetime, timedelta

import pytest

from sis_ingest.domain.drops import DropRules, Listed, Taken, is_finished, parcels, put_aside_name
from sis_ingest.domain.snapshots import Collection, moments

AT = datetime(2026, 9, 1, 2, tzinfo=UTC)


def file(name: str, *, size: int = 10, minute: int = 0) -> Listed:
    return Listed(name=name, size_bytes=size, modified_at=AT + timedelta(minutes=minute))


def names(listed: list[Listed], pattern: str) -> list[list[str]]:
    found = parcels(listed, DropRules(pattern=pattern))
    return [[one.name for one in parcel.files] for parcel in found]


def test_files_that_match_are_taken_oldest_first() -> None:
    listed = [file("b-2.zip", minute=2), file("a-1.zip", minute=3), file("b-1.zip"), file("x.csv")]

    assert names(listed, "*.zip") == [["b-1.zip"], ["b-2.zip"], ["a-1.zip"]]
    assert names(listed, "b-?.zip") == [["b-1.zip"], ["b-2.zip"]]
    assert names(listed, "b.zip") == []


@pytest.mark.parametrize("pattern", ["[ab]-1.zip", "a.zip", "(a|b)-1.zip", "^a-1.zip$"])
def test_no_other_sign_of_a_pattern_means_anything(pattern: str) -> None:
    assert names([file("a-1.zip"), file("axzip")], pattern) == []


@pytest.mark.parametrize("name", ["a\n.zip", "\udc80.zip", "../a.zip", "a.zip.done", "a" * 260])
def test_a_name_that_nothing_could_hold_is_nobodys_file(name: str) -> None:
    assert names([file(name)], "*") == []


def test_loose_files_are_one_package_by_the_name_in_the_pattern() -> None:
    listed = [
        file("users-2026-09-01.csv"), file("users-2026-09-02.csv", minute=1),
        file("orgs-2026-09-02.csv", minute=2), file("notes.csv"), file("4-2026.csv"),
    ]  # fmt: skip

    (parcel,) = parcels(listed, DropRules(pattern="{name}-*.csv"))

    assert parcel.packed is not None
    assert {name: one.name for name, one in parcel.packed.items()} == {
        "users.csv": "users-2026-09-02.csv",
        "orgs.csv": "orgs-2026-09-02.csv",
    }
    assert parcel.size_bytes == 20


def test_a_package_speaks_of_its_oldest_new_file_and_waits_for_the_rest_of_the_night() -> None:
    users, manifest = file("users.csv"), file("manifest.csv", minute=-9_999)
    orgs = file("orgs.csv", minute=1_440)
    (parcel,) = parcels([users, orgs, manifest], DropRules(pattern="{name}.csv"))
    soon, later = (orgs.modified_at + timedelta(minutes=m) for m in (59, 60))
    taken = {one.name: Taken(file=one, as_of=AT) for one in (users, manifest)}

    assert (parcel.as_of({}), parcel.may_grow({}, now=soon)) == (users.modified_at, False)
    assert parcel.as_of(taken) == orgs.modified_at
    assert [parcel.may_grow(taken, now=at) for at in (soon, later)] == [True, False]


def test_what_stands_unchanged_in_a_package_goes_on_saying_what_it_said() -> None:
    listed = [file("users_1.csv"), file("orgs_1.csv"), file("classes_1.csv", minute=9)]
    (parcel,) = parcels(listed, DropRules(pattern="{name}_*.csv"))
    said, now = AT + timedelta(minutes=3), AT + timedelta(minutes=9)
    known = {
        "users_1.csv": Taken(file=listed[0], as_of=said),
        "orgs_1.csv": Taken(file=file("orgs_1.csv", size=9), as_of=said),
    }

    assert parcel.unchanged(known) == {"users.csv": said}
    assert {one.file.name: one.as_of for one in parcel.taken(known, now)} == {
        "users_1.csv": said, "orgs_1.csv": now, "classes_1.csv": now,
    }  # fmt: skip


ORGS = Collection(entity="org", file="orgs.csv", mode="bulk")
USERS = Collection(entity="user", file="users.csv", mode="bulk", beside=("roles.csv",))


def test_a_collection_speaks_of_when_its_own_file_was_said() -> None:
    yesterday = AT - timedelta(days=1)

    assert moments([ORGS], {"orgs.csv": yesterday}, AT) == {"org": yesterday}
    assert moments([ORGS], {}, AT) == {"org": AT}
    assert moments([USERS], {"roles.csv": yesterday}, AT) == {"user": AT}


def test_new_roles_beside_old_users_are_newer_than_these_and_hardly() -> None:
    """They differ from all that was said with these users, and undo nothing said since."""
    users = AT - timedelta(days=365)
    second = timedelta(seconds=1)
    found = [
        moments([USERS], {"users.csv": users}, at)["user"]
        for at in (users + timedelta(microseconds=1), users + 5 * second, AT - second, AT)
    ]

    assert users < found[0] < found[1] < found[2] < found[3] < users + timedelta(minutes=1)
    known = {"users.csv": users, "roles.csv": AT}
    later = AT + timedelta(hours=1)
    assert moments([USERS], known, later) == {"user": found[3]}, "it says what it said"


@pytest.mark.parametrize("before", [[], [file("a.zip", size=9)], [file("a.zip", minute=-1)]])
def test_a_file_that_grew_or_is_new_is_not_finished(before: list[Listed]) -> None:
    rules = DropRules(pattern="*.zip")
    (parcel,) = parcels([file("a.zip")], rules)
    seen = {one.name: one for one in before}

    assert not is_finished(parcel, {"a.zip": file("a.zip")}, seen, rules)
    assert is_finished(parcel, {}, {"a.zip": file("a.zip")}, rules)


def test_a_package_is_finished_when_all_of_its_files_are() -> None:
    rules = DropRules(pattern="{name}.csv")
    listed = [file("orgs.csv"), file("users.csv", minute=1)]
    (parcel,) = parcels(listed, rules)
    both = {one.name: one for one in listed}

    assert is_finished(parcel, both, both, rules)
    assert not is_finished(parcel, both, {"orgs.csv": listed[0]}, rules)


@pytest.mark.parametrize(("minute", "finished"), [(-1, False), (0, True), (5, True)])
def test_a_marker_tells_at_once_unless_it_is_older_than_its_file(
    minute: int, finished: bool
) -> None:
    rules = DropRules(pattern="*.zip", done_marker=True)
    here = {"a.zip": file("a.zip"), "a.zip.done": file("a.zip.done", minute=minute)}
    (parcel,) = parcels(here.values(), rules)

    assert is_finished(parcel, here, {}, rules) is finished


def test_where_markers_are_used_a_still_file_without_one_is_not_finished() -> None:
    rules = DropRules(pattern="*.zip", done_marker=True)
    here = {"a.zip": file("a.zip")}
    (parcel,) = parcels(here.values(), rules)

    assert not is_finished(parcel, here, here, rules)


def test_two_versions_of_a_file_are_put_aside_under_two_names() -> None:
    assert put_aside_name(file("a.zip")) == "20260901T020000Z-a.zip"
    assert put_aside_name(file("a.zip", minute=1)) != put_aside_name(file("a.zip"))
