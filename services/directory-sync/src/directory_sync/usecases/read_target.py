"""First connection: read the whole target once, keep what stands there, then mark everybody.

Until this is done no account is created there, because an account that exists would be made twice.
"""

import asyncio
from dataclasses import dataclass

from directory_sync.ports import Units, Wiring
from roster_common.errors import Retriable
from roster_common.ports import Clock


class TargetReadIncomplete(Retriable):
    """The target listed fewer accounts than it says it has; nothing may be concluded from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRead:
    """What a first read found; `accounts` is 0 when it was done before."""

    accounts: int
    done_before: bool


class ReadTarget:
    """Reads a target that was never read; does nothing for one that was."""

    def __init__(self, *, units: Units, wiring: Wiring, clock: Clock) -> None:
        self._units = units
        self._wiring = wiring
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self) -> FirstRead:
        """Commits page by page; a crash half-way starts again and writes the same rows.

        Workers of one process share this object and wait for one another. Raises Retriable when
        the target is not ready or the list was cut.
        """
        async with self._one_at_a_time:
            return await self._read()

    async def _read(self) -> FirstRead:
        policy = self._wiring.policy
        async with self._units.begin() as unit:
            if await unit.accounts.first_read_done(policy.district_id, policy.target_id):
                return FirstRead(accounts=0, done_before=True)
        read = total = 0
        async for page in self._wiring.target.read_all():
            total = page.total
            read += len(page.accounts)
            async with self._units.begin() as unit:
                await unit.accounts.keep_found(
                    policy.district_id, policy.target_id, page.accounts, now=self._clock.now()
                )
        if read < total:
            raise TargetReadIncomplete(f"read {read} of {total}")
        async with self._units.begin() as unit:
            now = self._clock.now()
            await unit.accounts.note_first_read(
                policy.district_id, policy.target_id, accounts=read, now=now
            )
            await unit.marks.set_everyone(policy.district_id, policy.target_id, now=now)
        return FirstRead(accounts=read, done_before=False)
