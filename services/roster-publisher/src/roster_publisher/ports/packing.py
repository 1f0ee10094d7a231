"""What writing a package needs: something that makes a zip of CSV files on the way."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias


class Packer(Protocol):
    """One package. Every call gives the bytes that are ready, which may be none."""

    def open(self, name: str) -> None:
        """Begin the next file; the one before it ends."""
        ...

    def write(self, rows: Iterable[Sequence[str]]) -> bytes:
        """Append rows to the file."""
        ...

    def end(self) -> bytes:
        """End the package."""
        ...


OpenPacker: TypeAlias = Callable[[], Packer]
