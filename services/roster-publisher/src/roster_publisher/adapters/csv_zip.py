"""`Packer` with the standard library: zipfile over a writer that cannot seek streams by itself."""

import csv
import io
import threading
import zipfile
from collections.abc import Iterable, Sequence
from typing import IO, Final

_LEVEL: Final = 6
# The earliest a zip can say: the same roster gives the same bytes.
_TIME: Final = (1980, 1, 1, 0, 0, 0)


class _Ready(io.RawIOBase):
    """Keeps what was written until it is taken; cannot seek, so sizes follow the files."""

    def __init__(self) -> None:
        super().__init__()
        self._kept = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        before = len(self._kept)
        self._kept += memoryview(data)  # type: ignore[arg-type]  # bytes-like, says zipfile
        return len(self._kept) - before

    def take(self) -> bytes:
        taken = bytes(self._kept)
        self._kept.clear()
        return taken


class CsvZip:
    """A zip of CSV files in UTF-8 without a byte order mark; lines end as RFC 4180 has it."""

    def __init__(self) -> None:
        self._ready = _Ready()
        self._zip = zipfile.ZipFile(self._ready, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        self._file: IO[bytes] | None = None
        # Rows are written in threads, and whoever gives up does not wait for one.
        self._turn = threading.Lock()

    def open(self, name: str) -> None:
        """Begin the next file. Its size is not known, so it may be of any."""
        info = zipfile.ZipInfo(name, _TIME)
        info.compress_type = zipfile.ZIP_DEFLATED
        with self._turn:
            self._close()
            self._file = self._zip.open(info, "w", force_zip64=True)

    def write(self, rows: Iterable[Sequence[str]]) -> bytes:
        """Append rows to the file."""
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        with self._turn:
            if self._file is None:
                return b""  # given up meanwhile
            self._file.write(text.getvalue().encode())
            return self._ready.take()

    def end(self) -> bytes:
        """End the package."""
        with self._turn:
            self._close()
            self._zip.close()
            return self._ready.take()

    def give_up(self) -> None:
        """Let go of what was not ended; after the end it does nothing."""
        self.end()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
