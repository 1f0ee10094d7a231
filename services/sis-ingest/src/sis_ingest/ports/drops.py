"""Drops: folders, here or on an SFTP server, where a district leaves its files."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol, TypeAlias

from roster_common.errors import Retriable
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.drops import Listed, Taken
from sis_ingest.domain.runs import Run

DropFault: TypeAlias = Literal[
    "unreachable",
    "timed_out",
    "login_refused",
    "no_key",
    "host_key_changed",
    "no_folder",
    "not_allowed",
    "changed_while_read",
    "too_large",
    "not_moved",
    "failed",
]


class DropFailed(Retriable):
    """A drop did not do its part. The code says what a person has to see to."""

    def __init__(self, code: DropFault) -> None:
        super().__init__(code)
        self.code: DropFault = code


class AlreadyTaken(Retriable):
    """Somebody else took these files since we looked."""


class OpenDrop(Protocol):
    """A drop while it is looked at. Every call is bounded and raises `DropFailed`."""

    @property
    def moves(self) -> bool:
        """Whether taken files are to be moved."""
        ...

    async def listed(self) -> Sequence[Listed]:
        """Plain files in it, in any order; no folders and no links."""
        ...

    def read(self, file: Listed) -> AsyncIterator[bytes]:
        """Its bytes; fails at the end when it is not the file that was listed any more."""
        ...

    async def put_aside(self, file: Listed) -> None:
        """Moves it to where taken files go; never over another file, and not one that stands in
        its place by now.
        """
        ...


class Drop(Protocol):
    """One configured drop."""

    def open(self) -> AbstractAsyncContextManager[OpenDrop]:
        """Raises `DropFailed`."""
        ...


class Packer(Protocol):
    """Makes a package of loose files."""

    def __call__(self, files: Mapping[str, AsyncIterator[bytes]]) -> AsyncIterator[bytes]:
        """The package, as it grows; the same files give the same bytes."""
        ...


class TakenFiles(Protocol):
    """Which files were taken, within a transaction."""

    async def known(self, place: Place, names: Sequence[str]) -> Mapping[str, Taken]:
        """Each as it was when it was last taken; others are left out."""
        ...

    async def remember(self, run: Run, files: Sequence[Taken]) -> None:
        """Keeps that they became this run. Raises `AlreadyTaken` if one stands so already."""
        ...
