"""Operator keys and tokens: private files, tokens that the services accept, nothing overwritten."""

import stat
from pathlib import Path

import pytest

from homeroom import keys
from homeroom.errors import CommandFailed
from homeroom.layout import Layout
from roster_common.runtime.tokens import Operator, Operators


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(folder=tmp_path / ".demo")


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_a_new_installation_has_keys_and_a_token_for_its_owner_only(layout: Layout) -> None:
    token = keys.prepare(layout, districts=["demo"])

    assert mode(layout.private_key) == mode(layout.token) == 0o600
    assert layout.token.read_text(encoding="utf-8") == token


def test_services_with_the_public_key_accept_the_token_for_its_district(layout: Layout) -> None:
    token = keys.prepare(layout, districts=["demo"])

    operator = Operators(keys.public_key(layout)).verify(token)

    assert isinstance(operator, Operator)
    assert operator.role == "admin"
    assert operator.may_see("demo")
    assert not operator.may_see("other")


def test_a_second_start_keeps_the_key_and_makes_another_token(layout: Layout) -> None:
    first = keys.prepare(layout, districts=["demo"])
    public = keys.public_key(layout)

    second = keys.prepare(layout, districts=["demo"])

    assert keys.public_key(layout) == public
    assert second != first


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "operator.key"
    keys.new_key_file(file)

    with pytest.raises(CommandFailed, match="never overwritten"):
        keys.new_key_file(file)


def test_a_token_for_every_district_says_so(tmp_path: Path) -> None:
    file = tmp_path / "operator.key"
    public = keys.new_key_file(file)

    token = keys.mint_token(file, subject="a", role="viewer", districts=["*"], hours=1)

    operator = Operators(public).verify(token)
    assert isinstance(operator, Operator)
    assert operator.may_see("anything")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="there is no key in"):
        keys.mint_token(tmp_path / "no", subject="a", role="viewer", districts=["a"], hours=1)
