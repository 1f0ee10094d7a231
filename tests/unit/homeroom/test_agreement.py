"""The end of the demo finds every way in which copies can differ, and names ids."""

from dataclasses import replace

import pytest

from homeroom.demo.agreement import Reading, Seen, differences
from homeroom.demo.outside import Expected

EXPECTED = Expected(
    active={"ann", "bob", "new"}, withdrawn={"zoe"}, joined={"new"}, devices_to_collect={"zoe"}
)
RIGHT = Seen(
    roster={"ann": "active", "bob": "active", "new": "active", "zoe": "tobedeleted"},
    accounts=[("ann", True), ("bob", True), ("new", True), ("zoe", False)],
    device_requests=["new"],
    collections=["zoe"],
)


def test_what_is_right_has_no_differences() -> None:
    assert differences(EXPECTED, RIGHT) == []


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        pytest.param(
            replace(RIGHT, roster={**RIGHT.roster, "bob": "tobedeleted"}),
            [
                "active in the roster: lacks 1 (bob)",
                "to be deleted in the roster: has too many 1 (bob)",
            ],
            id="somebody was taken away",
        ),
        pytest.param(
            replace(RIGHT, accounts=RIGHT.accounts[1:]),
            ["enabled account: lacks 1 (ann)"],
            id="no account",
        ),
        pytest.param(
            replace(RIGHT, accounts=[*RIGHT.accounts, ("ann", True)]),
            ["enabled account: has too many 1 (ann)"],
            id="two accounts of one person",
        ),
        pytest.param(
            replace(RIGHT, accounts=[*RIGHT.accounts[:3], ("zoe", True)]),
            ["enabled account: has too many 1 (zoe)", "disabled account: lacks 1 (zoe)"],
            id="a leaver still enabled",
        ),
        pytest.param(
            replace(RIGHT, device_requests=["new", "new"]),
            ["device request: has too many 1 (new)"],
            id="asked for twice",
        ),
        pytest.param(
            replace(RIGHT, collections=["bob", "zoe"]),
            ["device to collect: has too many 1 (bob)"],
            id="a device collected from one who stays",
        ),
        pytest.param(
            replace(RIGHT, enrolled=["c1/ann", "c1/bob"], members=["c1/ann", "c1/zoe"]),
            ["member of a group: lacks 1 (c1/bob)", "member of a group: has too many 1 (c1/zoe)"],
            id="a group that is behind",
        ),
    ],
)
def test_each_difference_is_found_and_named(seen: Seen, said: list[str]) -> None:
    assert differences(EXPECTED, seen) == said


def test_many_differences_are_counted_and_few_are_named() -> None:
    nobody = replace(RIGHT, accounts=[("zoe", False)])
    many = Expected(active={f"p{n}" for n in range(9)}, withdrawn={"zoe"})

    said = [line for line in differences(many, nobody) if line.startswith("enabled")]

    assert said == ["enabled account: lacks 9 (p0, p1, p2, p3, p4)"]


def test_the_last_read_moves_one_bar_over_all_collections() -> None:
    moves: list[tuple[int, int]] = []
    reading = Reading(advance=lambda done, total: moves.append((done, total)), total=2_600)

    assert reading.all(iter(range(2_500))) == list(range(2_500))
    assert reading.all(["late", "later"] * 100) == ["late", "later"] * 100

    assert moves == [(1_000, 2_600), (2_000, 2_600), (2_500, 2_600), (2_700, 2_700)]
