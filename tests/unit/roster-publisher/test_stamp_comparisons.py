"""A stamp that is never older than a moment compares as the later of both does."""

import itertools
import operator
from datetime import UTC, datetime, timedelta
from typing import get_args

from roster_publisher.domain.stamps import Comparison, compared_since

SIGNS = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
MOMENTS = [datetime(2026, 9, 1, tzinfo=UTC) + timedelta(seconds=n) for n in range(5)]


def test_every_comparison_is_that_of_the_later_one() -> None:
    for sign in get_args(Comparison):
        for stamp, since, value in itertools.product(MOMENTS, [None, *MOMENTS], MOMENTS):
            found = compared_since(since, sign, value)
            holds = found if isinstance(found, bool) else SIGNS[found](stamp, value)
            assert holds == SIGNS[sign](max(stamp, since or stamp), value), (sign, since, value)
