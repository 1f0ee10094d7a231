"""Who of a group reads what, on the log schema: member rows, leases, an even share each.

The database's clock decides, so members need not agree on the time. A member that stops renewing
loses its leases after `lease_s`; a member that stays keeps what is still its share, so a
rebalance moves no more than it must.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

import asyncpg
import structlog

from roster_common.contracts import registry
from roster_common.errors import Retriable
from roster_common.ports import TopicPartition
from roster_common.runtime.database import Database

logger = structlog.get_logger(__name__)

Lanes = frozenset[TopicPartition]
_ERRORS = (Retriable, OSError, TimeoutError, asyncpg.PostgresError)


def share_of(member: str, *, members: Mapping[str, Sequence[str]]) -> Lanes:
    """The partitions `member` should hold; pure, the same answer on every member.

    `members` maps each live member to its topics. Partitions of a topic are dealt in turn to the
    members subscribed to it, in the order of their ids; topics start at different members.
    """
    share: set[TopicPartition] = set()
    topics = sorted({topic for subscribed in members.values() for topic in subscribed})
    dealt = 0
    for topic in topics:
        takers = sorted(m for m, subscribed in members.items() if topic in subscribed)
        for partition in range(registry.topic(topic).partitions):
            if takers[dealt % len(takers)] == member:
                share.add(TopicPartition(topic, partition))
            dealt += 1
    return frozenset(share)


class Membership:
    """One member's rows in `log.member` and `log.lease`. Each call commits by itself."""

    def __init__(
        self,
        database: Database,
        *,
        group: str,
        member_id: str,
        topics: Sequence[str],
        lease_s: float,
    ) -> None:
        self._database = database
        self._group = group
        self._member_id = member_id
        self._topics = list(topics)
        self._lease_s = lease_s
        self._held: set[TopicPartition] = set()
        self._renewing: asyncio.Task[None] | None = None
        self._tend_at = 0.0

    async def join(self) -> None:
        """Become a member and keep renewing in the background, also during long batches."""
        await self._renew()
        self._renewing = asyncio.create_task(self._keep_renewing(), name=f"lease-{self._group}")

    async def tend(self) -> tuple[Lanes, Lanes]:
        """Compare what is held with the even share, at most a few times per lease.

        Returns (to give up, newly held). What is to be given up stays leased until `release`, so
        no other member starts on it before this one has finished its batch.
        """
        now = asyncio.get_running_loop().time()
        if now < self._tend_at:
            return frozenset(), frozenset()
        self._tend_at = now + self._lease_s / 10
        async with self._database.begin() as tx:
            driver = await tx.driver()
            members = await self._live_members(driver)
            wanted = share_of(self._member_id, members=members)
            stolen = self._held - await self._leased(driver)
            gained = await self._acquire(driver, wanted - self._held)
        lost = frozenset((self._held - wanted) | stolen)
        self._held -= stolen
        self._held |= gained
        return lost, gained

    async def release(self, lanes: Lanes) -> None:
        """Give leases back; lanes held by somebody else already are left alone."""
        async with self._database.begin() as tx:
            await (await tx.driver()).execute(
                """
                DELETE FROM log.lease l USING unnest($3::text[], $4::int[]) AS w(topic, partition)
                WHERE l.group_id = $1 AND l.member_id = $2
                    AND l.topic = w.topic AND l.partition = w.partition
                """,
                self._group,
                self._member_id,
                [lane.topic for lane in lanes],
                [lane.partition for lane in lanes],
            )
        self._held -= lanes
        self._tend_at = 0.0

    async def leave(self) -> None:
        """Stop renewing and give everything back."""
        if self._renewing is not None:
            self._renewing.cancel()
            with suppress(asyncio.CancelledError):
                await self._renewing
        async with self._database.begin() as tx:
            driver = await tx.driver()
            for table in ("lease", "member"):
                await driver.execute(
                    f"DELETE FROM log.{table} WHERE group_id = $1 AND member_id = $2",
                    self._group,
                    self._member_id,
                )

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            try:
                await self._renew()
            except _ERRORS:
                logger.warning("log_lease_renewal_failed", group=self._group)

    async def _renew(self) -> None:
        async with self._database.begin() as tx:
            driver = await tx.driver()
            await driver.execute(
                """
                INSERT INTO log.member (group_id, member_id, topics, expires_at)
                VALUES ($1, $2, $3, now() + make_interval(secs => $4))
                ON CONFLICT (group_id, member_id) DO UPDATE
                    SET topics = excluded.topics, expires_at = excluded.expires_at
                """,
                self._group,
                self._member_id,
                self._topics,
                self._lease_s,
            )
            await driver.execute(
                """
                UPDATE log.lease SET expires_at = now() + make_interval(secs => $3)
                WHERE group_id = $1 AND member_id = $2
                """,
                self._group,
                self._member_id,
                self._lease_s,
            )

    async def _live_members(self, driver: asyncpg.Connection) -> Mapping[str, Sequence[str]]:
        rows = await driver.fetch(
            "SELECT member_id, topics FROM log.member WHERE group_id = $1 AND expires_at > now()",
            self._group,
        )
        return {self._member_id: self._topics} | {r["member_id"]: r["topics"] for r in rows}

    async def _leased(self, driver: asyncpg.Connection) -> Lanes:
        rows = await driver.fetch(
            "SELECT topic, partition FROM log.lease WHERE group_id = $1 AND member_id = $2",
            self._group,
            self._member_id,
        )
        return frozenset(TopicPartition(r["topic"], r["partition"]) for r in rows)

    async def _acquire(self, driver: asyncpg.Connection, lanes: Lanes) -> Lanes:
        if not lanes:
            return frozenset()
        ordered = sorted(lanes)
        rows = await driver.fetch(
            """
            INSERT INTO log.lease AS l (group_id, topic, partition, member_id, expires_at)
            SELECT $1, w.topic, w.partition, $2, now() + make_interval(secs => $5)
            FROM unnest($3::text[], $4::int[]) AS w(topic, partition)
            ON CONFLICT (group_id, topic, partition) DO UPDATE
                SET member_id = excluded.member_id, expires_at = excluded.expires_at
                WHERE l.expires_at <= now() OR l.member_id = excluded.member_id
            RETURNING topic, partition
            """,
            self._group,
            self._member_id,
            [lane.topic for lane in ordered],
            [lane.partition for lane in ordered],
            self._lease_s,
        )
        return frozenset(TopicPartition(r["topic"], r["partition"]) for r in rows)
