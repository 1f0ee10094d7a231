"""How long a source is left alone after it failed: as long as it asked, an hour at most."""

from typing import Any

import pytest

from roster_common.runtime.bell import Bell
from roster_common.runtime.lifecycle import Stopping
from sis_ingest.domain.deliveries import Place
from sis_ingest.entrypoints.jobs.pullers import HintFollower
from sis_ingest.ports.pulls import SourceAway
from sis_ingest.ports.sources import Source

SOURCE = Source(
    place=Place(district_id="d1", source_id="s"),
    kind="powerschool",
    secrets=(),
    webhook=None,
    snapshot=None,
)


class FirstWait(Stopping):
    """Stops at the first wait, and says how long it was to be."""

    waited_s = 0.0

    async def wait(self, timeout_s: float) -> bool:
        self.waited_s = timeout_s
        self.set()
        return True


@pytest.mark.parametrize(
    ("asked_s", "least_s", "most_s"), [(600.0, 600.0, 600.0), (9e9, 3600.0, 3600.0), (None, 0.1, 1)]
)
async def test_a_source_rests_as_long_as_it_asked(
    asked_s: float | None, least_s: float, most_s: float
) -> None:
    async def away(*_: Any) -> Any:
        raise SourceAway("throttled", retry_after_s=asked_s)

    anything: Any = None
    reread: Any = away
    follower = HintFollower(SOURCE, anything, anything, reread=reread, ear=Bell().ear())
    stopping = FirstWait()

    await follower.run(stopping)

    assert least_s <= stopping.waited_s <= most_s
