"""Pages of a grant of several schools: each record once, in the order of ids, counted and linked."""

import pytest

from tests.support.oneroster_records import org, role, user
from tests.support.publishing import Publishing

# Ids begin with the school, as many sources have them; the first school has none of the grant's.
PEOPLE = {
    **{f"a-{n}": ("s0",) for n in range(9)},
    **{f"b-{n}": ("s1",) for n in range(4)},
    **{f"c-{n}": ("s2",) for n in range(3)},
    **{f"d-{n}": ("s1", "s2") for n in range(3)},
    **{f"e-{n}": ("s3", "s0", "s2") for n in range(2)},
}


def seen(schools: tuple[str, ...]) -> list[str]:
    """Who is in a view of the schools, in order."""
    return sorted(who for who, at in PEOPLE.items() if set(at) & set(schools))


@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize("schools", [("s1", "s2"), ("s3", "s2", "s1"), ("s3", "none")])
async def test_every_record_comes_once_and_in_order(
    publishing: Publishing, schools: tuple[str, ...], limit: int
) -> None:
    await publishing.publish(
        *(("org", org(one)) for one in ("s0", "s1", "s2", "s3")),
        *(("user", user(who, *map(role, at))) for who, at in PEOPLE.items()),
    )
    wanted, found, pages = seen(schools), [], 0
    async with publishing.vendor(schools=schools) as vendor:
        url = f"/users?limit={limit}"
        while url:
            answer = await vendor.get(url)
            assert answer.status_code == 200, answer.text
            assert answer.headers["x-total-count"] == str(len(wanted))
            found += [one["sourcedId"] for one in answer.json()["users"]]
            url, pages = answer.links.get("next", {}).get("url", ""), pages + 1
            if pages == 1:
                # The pull stays where it began: who moves away or goes is still told.
                await publishing.publish(("user", user("c-0", role("s0"))), ("user", "b-3"))
        # A jump counts the same rows.
        jumped = await vendor.get(f"/users?limit={limit + 1}&offset={len(wanted) - 1}")
    assert found == wanted
    assert pages == -(-len(wanted) // limit)
    assert [one["sourcedId"] for one in jumped.json()["users"]] == wanted[-1:]
