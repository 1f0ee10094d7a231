"""What goes wrong with one target is that target's trouble."""

import pytest

from directory_sync.entrypoints.jobs.alone import alone
from roster_common.errors import Fatal
from roster_common.runtime.lifecycle import Stopping


async def test_a_loop_that_fails_begins_again_and_ends_when_it_returns():
    runs = []

    async def fails_once(_):
        runs.append(1)
        if len(runs) == 1:
            raise KeyError("unforeseen")

    await alone(fails_once, loop="target:t:0", target_id="t")(Stopping())

    assert len(runs) == 2


async def test_what_would_do_harm_is_raised():
    async def harmful(_):
        raise Fatal("stop")

    with pytest.raises(Fatal):
        await alone(harmful, loop="target:t:0", target_id="t")(Stopping())
