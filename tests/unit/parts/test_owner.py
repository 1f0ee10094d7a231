"""Who may own a cluster and reach it."""

import os
import tempfile
from pathlib import Path

from homeroom.parts.owner import Owner, cluster_home, reachable

OURSELVES = Owner(uid=None, gid=None)
STRANGER = Owner(uid=64_999, gid=64_999)


def test_a_folder_of_mode_700_is_out_of_reach_for_a_stranger() -> None:
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder) / "inner"
        inner.mkdir()
        Path(folder).chmod(0o700)

        assert not reachable(inner, owner=STRANGER)


def test_a_folder_of_mode_711_all_the_way_up_is_within_reach() -> None:
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder) / "inner"
        inner.mkdir(mode=0o711)
        Path(folder).chmod(0o711)

        assert reachable(inner, owner=STRANGER)


def test_a_plain_user_keeps_the_cluster_in_the_folder_named(tmp_path: Path) -> None:
    assert cluster_home(tmp_path / "cluster", owner=OURSELVES) == tmp_path / "cluster"


if os.geteuid() == 0:  # not a skip: for a plain user there is nothing to try

    def test_what_is_given_to_an_owner_belongs_to_it(tmp_path: Path) -> None:
        STRANGER.give(tmp_path)

        assert tmp_path.stat().st_uid == 64_999
