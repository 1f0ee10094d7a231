"""Keep each caller to a pace, in this process. With several replicas each has its own count."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from roster_publisher.domain.pacing import Bucket, Pace, sender_of
from roster_publisher.ports import Clock

_MOST_CALLERS: Final = 20_000
_LONGEST_ID: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """At which door somebody came too fast, and the seconds to wait."""

    door: str
    wait_s: float


class PaceCallers:
    """One bucket per caller. The one that asked longest ago is forgotten first: it had waited."""

    def __init__(self, pace: Pace, clock: Clock) -> None:
        self._pace = pace
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, caller: str, pace: Pace | None = None) -> float:
        """Count one request of the caller; 0.0, or the seconds to wait before it may come again.

        `pace` is the caller's own, if it has one.
        """
        mine = pace or self._pace
        return self._bucket(caller, mine).take(mine, self._now_s())

    def wait_s(self, caller: str) -> float:
        """The seconds until the caller has one left; counts nothing."""
        bucket = self._buckets.get(caller)
        return 0.0 if bucket is None else bucket.missing(self._pace, self._now_s())

    def _bucket(self, caller: str, pace: Pace) -> Bucket:
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = Bucket(left=float(pace.burst), at_s=self._now_s())
            self._buckets[caller] = bucket
            if len(self._buckets) > _MOST_CALLERS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(caller)
        return bucket

    def _now_s(self) -> float:
        return self._clock.now().timestamp()


class PaceTokens:
    """Who may ask for a token now.

    `given` counts tokens per client, so that nobody else can use them up; `wrong` counts wrong
    secrets per client and address, so that who guesses locks out nobody but who shares the address.
    """

    def __init__(self, given: PaceCallers, wrong: PaceCallers) -> None:
        self._given = given
        self._wrong = wrong

    def refuses(self, client_id: str, address: str) -> Refusal | None:
        """Why it has to wait, if it has to."""
        if wait_s := self._wrong.wait_s(_at(client_id, address)):
            return Refusal(door="token_failures", wait_s=wait_s)
        if wait_s := self._given.wait_s(_of(client_id)):
            return Refusal(door="token", wait_s=wait_s)
        return None

    def count_given(self, client_id: str) -> None:
        """A token was given."""
        self._given.take(_of(client_id))

    def count_wrong(self, client_id: str, address: str) -> None:
        """A secret was wrong."""
        self._wrong.take(_at(client_id, address))


def _of(client_id: str) -> str:
    return f"token {client_id[:_LONGEST_ID]}"


def _at(client_id: str, address: str) -> str:
    return f"{client_id[:_LONGEST_ID]} {sender_of(address)}"
