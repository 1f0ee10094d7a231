"""The database's address: what would be misread is refused before anybody can name a piece of it."""

import pytest

from roster_common.errors import Fatal
from roster_common.runtime.migrations import MigrationSettings
from roster_common.runtime.settings import load


@pytest.mark.parametrize(
    "password", ["Pa/ssw0rd", "Pa#ssw0rd", "Pa?ssw0rd", "Pa%zz?ssw0rd", "Pa[ssw0rd", "5/ssw0rd"]
)
def test_a_password_that_would_end_the_address_early_is_refused_unseen(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "HOMEROOM_DATABASE_URL", f"postgresql://homeroom:{password}@postgres:5432/homeroom"
    )

    with pytest.raises(Fatal) as refused:
        load(MigrationSettings)

    assert "HOMEROOM_DATABASE_URL: is no address like postgresql://" in str(refused.value)
    assert "w0rd" not in str(refused.value)


@pytest.mark.parametrize("url", ["", "homeroom", "mysql://u@h/d", "postgresql://u@h:port/d"])
def test_what_is_no_address_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEROOM_DATABASE_URL", url)

    with pytest.raises(Fatal, match="HOMEROOM_DATABASE_URL: is no address"):
        load(MigrationSettings)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://homeroom@postgres/homeroom",
        "postgres://u:Pa%2Fss%23w%40rd@[::1]:5432/d?sslmode=require",
        "postgresql+asyncpg:///d?host=/run/postgresql",
        "postgresql://u:a@b@h1:5432,h2:5433/d",
    ],
)
def test_an_address_is_kept_as_it_is(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEROOM_DATABASE_URL", url)

    assert load(MigrationSettings).database_url.get_secret_value() == url
