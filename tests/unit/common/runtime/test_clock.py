"""Ids are UUIDv7 and rise; the clock is aware and in UTC."""

import uuid
from datetime import timedelta
from itertools import pairwise

from roster_common.runtime.clock import SystemClock, Uuid7Ids


def test_ids_minted_in_one_millisecond_rise_strictly():
    ids = Uuid7Ids()

    minted = [ids.new_id() for _ in range(20_000)]

    assert all(earlier < later for earlier, later in pairwise(minted))


def test_an_id_is_a_version_7_uuid_of_this_moment():
    before_ms = int(SystemClock().now().timestamp() * 1_000)

    found = uuid.UUID(Uuid7Ids().new_id())

    assert found.version == 7
    assert found.variant == uuid.RFC_4122
    assert 0 <= (found.int >> 80) - before_ms < 5_000


def test_two_sources_do_not_mint_the_same_ids():
    one, other = Uuid7Ids(), Uuid7Ids()

    assert {one.new_id() for _ in range(500)}.isdisjoint(other.new_id() for _ in range(500))


def test_the_clock_gives_aware_utc():
    assert SystemClock().now().utcoffset() == timedelta(0)
