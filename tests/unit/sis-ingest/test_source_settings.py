"""Which sources an installation may name: a mistake stops the start, not the first webhook."""

import asyncssh
import pytest
from pydantic import ValidationError

from roster_common.holds import Limit
from sis_ingest.domain.guards import LIMITS
from sis_ingest.settings import Settings, SourceSettings
from tests.support.ingesting import OTHER_SECRET, SECRET

URL = "postgresql://nobody@127.0.0.1/none"

HOST_KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()


def source(**more) -> SourceSettings:
    return SourceSettings(**{"id": "s", "district": "d", **more})


def test_a_source_has_up_to_two_secrets_and_may_have_none() -> None:
    assert len(source(secrets=[SECRET, OTHER_SECRET]).secrets) == 2
    assert source().secrets == ()
    with pytest.raises(ValidationError):
        source(secrets=[SECRET, OTHER_SECRET, SECRET])


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_!!!!!!!!", "not base64 at all", "ümlaute-ümlaute"]
)
def test_a_secret_that_nobody_could_sign_with_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ValidationError) as refused:
        source(secrets=[secret])

    messages = [error["msg"] for error in refused.value.errors(include_input=False)]
    assert len(messages) == 1
    assert not secret or secret not in messages[0]


def test_a_kind_that_no_room_reads_is_refused() -> None:
    with pytest.raises(ValidationError):
        source(kind="wizardry")


def test_a_profile_that_the_room_does_not_have_is_refused() -> None:
    assert source(profile="1.0").profile == "1.0"
    with pytest.raises(ValidationError):
        source(profile="0.9")
    with pytest.raises(ValidationError):
        source(files="generic", profile="1.0")


SFTP = {"host": "h", "username": "u", "password": "p-of-the-district", "hostKey": HOST_KEY}


def test_a_drop_is_told_in_camel_case() -> None:
    told = source(sftp={**SFTP, "everySeconds": 5, "doneMarker": True, "pattern": "a-*.zip"}).sftp

    assert told is not None
    assert (told.every_seconds, told.port, told.folder) == (5, 22, ".")
    assert (told.rules.pattern, told.rules.done_marker) == ("a-*.zip", True)
    assert "p-of-the-district" not in repr(told)


@pytest.mark.parametrize(
    "wrong",
    [
        {"hostKey": "anything"}, {"password": None}, {"keyFile": "/key"}, {"pattern": "a/*.zip"},
        {"everySeconds": 0}, {"port": 0}, {"username": ""}, {"every_minutes": 1},
    ],
)  # fmt: skip
def test_an_sftp_folder_that_could_not_work_is_refused_and_its_password_not_shown(
    wrong: dict[str, object],
) -> None:
    with pytest.raises(ValidationError) as refused:
        source(sftp={**SFTP, **wrong})

    messages = [error["msg"] for error in refused.value.errors(include_input=False)]
    assert "p-of-the-district" not in str(messages)


def test_loose_files_are_not_moved() -> None:
    with pytest.raises(ValidationError):
        source(folder={"path": "/left-here", "pattern": "{name}.csv", "moveTo": "taken"})


def test_a_source_without_its_servers_key_is_refused() -> None:
    with pytest.raises(ValidationError):
        source(sftp={name: value for name, value in SFTP.items() if name != "hostKey"})


def test_a_source_has_one_drop_and_a_room_that_reads_its_files() -> None:
    folder = {"path": "/left-here"}
    with pytest.raises(ValidationError):
        source(folder=folder, sftp=SFTP)
    with pytest.raises(ValidationError):
        source(files="generic", folder=folder)


def test_one_id_names_one_source_in_the_whole_installation() -> None:
    with pytest.raises(ValidationError):
        Settings(database_url=URL, sources=[{"id": "s", "district": d} for d in ("north", "south")])


def test_a_source_may_have_limits_of_its_own_and_keeps_the_others() -> None:
    limits = source(limits={"user.remove": {"count": 3, "share": 0.5}}).all_limits()

    assert limits["user", "remove"] == Limit(count=3, share=0.5)
    assert {**limits, ("user", "remove"): LIMITS["user", "remove"]} == LIMITS


@pytest.mark.parametrize(
    "limits",
    [
        {"user.rename": {"count": 3, "share": 0.5}},
        {"user": {"count": 3, "share": 0.5}},
        {"user.remove": {"count": -1, "share": 0.5}},
        {"user.remove": {"count": 3, "share": 1.5}},
        {"user.remove": {"count": 3}},
        {"user.remove": {"count": 3, "share": 0.5, "percent": 5}},
    ],
)
def test_a_limit_that_no_guard_could_keep_is_refused(limits: dict[str, dict[str, float]]) -> None:
    with pytest.raises(ValidationError):
        source(limits=limits)


CAMPUS = {
    "baseUrl": "https://sis.example/campus/api/ims/oneroster/rostering/v1p2",
    "tokenUrl": "https://sis.example/campus/oauth2/token",
    "clientId": "c",
    "clientSecret": "secret-of-the-district",
    "options": {"appName": "homeroom"},
}


def campus(**more) -> SourceSettings:
    return source(kind="infinite_campus", pull={**CAMPUS, **more})


def test_a_kind_has_defaults_of_its_own_that_the_operator_overrides() -> None:
    usual, own = campus().pull, campus(pageSize=50_000, windows=[], fullDay="sat").pull

    assert usual is not None
    assert own is not None
    assert (usual.page_size, usual.concurrency, usual.full_day) == (10_000, 1, "sun")
    assert [(a.hour, b.hour) for a, b in usual.windows] == [(22, 5)]
    assert (own.page_size, own.full_day, own.windows) == (50_000, "sat", ())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"concurrency": 6}, "at most 5 requests at once"),
        ({"pageSize": 50_001}, "50000"),
        ({"options": {}}, "needs options.appName"),
        ({"options": {"appName": "a", "version": "1.3"}}, "options.version is one of 1.1, 1.2"),
        ({"options": {"appName": "a", "verison": "1.1"}}, "knows the options appName, version"),
        ({"tokenUrl": None}, "needs tokenUrl"),
        ({"baseUrl": "http://sis.example"}, "https only"),
    ],
)
def test_a_pull_that_could_not_work_is_refused_at_the_start_with_the_reason(
    wrong: dict[str, object], said: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        campus(**wrong)

    messages = str([error["msg"] for error in refused.value.errors(include_input=False)])
    assert said in messages
    assert "secret-of-the-district" not in messages


def test_a_kind_without_an_interface_cannot_be_pulled() -> None:
    with pytest.raises(ValidationError):
        source(pull=CAMPUS)


POWERSCHOOL: dict[str, object] = {
    "baseUrl": "https://sis.example",
    "clientId": "c",
    "clientSecret": "secret-of-the-district",
    "options": {"callbackUrl": "https://homeroom.example/webhooks/s"},
}


def powerschool(**options: str) -> SourceSettings:
    return source(kind="powerschool", pull={**POWERSCHOOL, "options": options})


def test_a_callback_may_be_on_this_machine() -> None:
    assert powerschool(callbackUrl="http://127.0.0.1:8101/webhooks/s").pull is not None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"callbackURL": "https://h/w"}, "knows the options application, callbackUrl"),
        ({"callbackUrl": "http://homeroom.example/webhooks/s"}, "begins with https://"),
        ({"callbackUrl": "homeroom.example/webhooks/s"}, "begins with https://"),
    ],
    ids=["misspelt", "unsealed", "no_address"],
)
def test_a_callback_that_could_not_work_or_would_tell_its_key_is_refused(
    options: dict[str, str], said: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        powerschool(**options)

    messages = str([error["msg"] for error in refused.value.errors(include_input=False)])
    assert said in messages
    assert "homeroom.example" not in messages
