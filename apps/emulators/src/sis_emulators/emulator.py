"""One emulator put together: office, clerk, faults, evidence, secrets, and the face's routes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Lifespan

from sis_emulators.clock import Clock
from sis_emulators.evidence import Evidence
from sis_emulators.faults import Faults
from sis_emulators.office.clerk import Clerk
from sis_emulators.office.generator import open_office
from sis_emulators.office.tables import Office
from sis_emulators.wire.back_door import BackDoor, NamesOf
from sis_emulators.wire.credentials import Credentials
from sis_emulators.wire.guard import Guard, Limits

NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What every face stands on."""

    office: Office
    clerk: Clerk
    faults: Faults
    evidence: Evidence
    credentials: Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """What a product adds: its routes, its names for records, its limits.

    `addresses` are the paths of what it serves, by the word that the credentials file has for them.
    """

    routes: Sequence[BaseRoute]
    addresses: Mapping[str, str]
    names_of: NamesOf
    expire_tokens: Callable[[], None]
    limits: Limits = NO_LIMITS
    # Runs while the emulator does, such as a sender of notifications.
    lifespan: Lifespan[Starlette] | None = None


def house(*, product: str, students: int, seed: int, credentials: Credentials) -> House:
    """A filled office with its clerk. Raises ValueError for a size that cannot be."""
    office = open_office(students=students, seed=seed, clock=Clock())
    return House(
        office=office,
        clerk=Clerk(office, Random(seed + 1)),
        faults=Faults(Random(seed + 2)),
        evidence=Evidence(product=product),
        credentials=credentials,
    )


def app(base: House, face: Face) -> ASGIApp:
    """The ASGI application of one emulator."""
    back_door = BackDoor(base.office, base.clerk, base.faults, base.evidence, face.names_of)
    return Guard(
        Starlette(routes=[*face.routes, *back_door.routes()], lifespan=face.lifespan),
        evidence=base.evidence,
        faults=base.faults,
        limits=face.limits,
        expire_tokens=face.expire_tokens,
        rekey=base.clerk.rekey,
    )
