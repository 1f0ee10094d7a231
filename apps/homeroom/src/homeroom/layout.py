"""Where one installation keeps its files and which ports it uses. Touches nothing by itself."""

from dataclasses import dataclass
from pathlib import Path

from homeroom.settings import DEFAULT_PORT_BASE, LOCAL

# The fixed ports are 8101 to 8105, 8190 and 8191: the counterparts keep their distance in every
# other base.
SCIM_OFFSET = 8190 - DEFAULT_PORT_BASE
EMULATOR_OFFSET = 8191 - DEFAULT_PORT_BASE


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The files below one folder, `.demo` unless told otherwise."""

    folder: Path

    @property
    def data(self) -> Path:
        """What a fresh start throws away."""
        return self.folder / "data"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def evidence(self) -> Path:
        return self.folder / "evidence.json"

    @property
    def token(self) -> Path:
        return self.folder / "operator.token"

    @property
    def private_key(self) -> Path:
        return self.folder / "operator.key"

    @property
    def body_key(self) -> Path:
        return self.folder / "body.key"

    @property
    def lock(self) -> Path:
        return self.folder / "running.json"

    @property
    def district_zip(self) -> Path:
        return self.data / "district.zip"

    def log_of(self, child: str) -> Path:
        return self.logs / f"{child}.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Every port of one installation, counted from the first service's."""

    base: int

    def of(self, offset: int) -> int:
        return self.base + offset

    @property
    def scim(self) -> int:
        return self.base + SCIM_OFFSET

    @property
    def emulator(self) -> int:
        return self.base + EMULATOR_OFFSET


def local_url(port: int) -> str:
    """Return the address of a port on this box."""
    return LOCAL.replace("{port}", str(port))
