"""What writing a package needs: what the roster's pages do not say, and something that makes a zip
of CSV files on the way.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from roster_publisher.domain.csv_rows import GonePart
from roster_publisher.domain.queries import CollectionQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """A district's newest revision and its stamp; None before the first publication."""

    revision: int
    stamp: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An active record that a grant sees; what it cannot be without, if it is a class."""

    sourced_id: str
    course_id: str | None
    school_id: str | None
    term_ids: Sequence[str]


class PackageReads(Protocol):
    """Reads at a revision. `query` is a collection of one grant without a filter."""

    async def edition(self, district_id: str) -> Edition:
        """The newest."""
        ...

    async def standing(
        self, query: CollectionQuery, ids: Collection[str], *, revision: int
    ) -> Sequence[Standing]:
        """Those of `ids` that the grant sees and that are active."""
        ...

    async def metadata_names(
        self, query: CollectionQuery, *, revision: int, most: int
    ) -> Sequence[str]:
        """Names of metadata that its records have, in order; `most` at most."""
        ...

    async def gone_parts(
        self, district_id: str, users: Collection[str], *, since: datetime, revision: int
    ) -> Mapping[str, Sequence[GonePart]]:
        """By user, parts that went after `since`, each once, at its latest."""
        ...


class Packer(Protocol):
    """One package. Every call gives the bytes that are ready, which may be none."""

    def open(self, name: str) -> None:
        """Begin the next file; the one before it ends."""
        ...

    def write(self, rows: Iterable[Sequence[str]]) -> bytes:
        """Append rows to the file."""
        ...

    def end(self) -> bytes:
        """End the package: without this it is none."""
        ...

    def give_up(self) -> None:
        """Let go of a package that is not ended; after its end this does nothing."""
        ...


OpenPacker: TypeAlias = Callable[[], Packer]
