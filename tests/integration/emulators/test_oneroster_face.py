"""The OneRoster emulator, driven by a plain client: what it serves, refuses and counts."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.emulators import SCOPES, Emulator, emulator, every_page
from tests.support.official_oneroster import check_collection, check_error, check_single

COLLECTIONS = (
    "orgs", "schools", "academicSessions", "terms", "courses", "classes", "users", "students",
    "teachers", "enrollments", "demographics",
)  # fmt: skip
HMACS = ("HMAC-SHA1", "HMAC-SHA256")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    folder = tmp_path_factory.mktemp("oneroster")
    with emulator("oneroster", "--revision-headers", folder=folder) as running:
        yield running


@pytest.fixture
def sis(started: Emulator) -> Emulator:
    started.forget()
    return started


@pytest.fixture
def headers(sis: Emulator) -> dict[str, str]:
    return sis.token(scope=SCOPES)


def get(sis: Emulator, path: str, headers: dict[str, str], **query: Any) -> Any:
    return sis.client.get(f"{sis.told['oneRoster12Url']}/{path}", params=query, headers=headers)


def test_it_says_that_it_is_an_emulator(sis: Emulator) -> None:
    evidence = sis.evidence()

    assert evidence["product"] == "OneRoster SIS emulator"
    assert evidence["notice"] == "an emulator, not a live system"
    assert "not a live system" in sis.program.log()


@pytest.mark.parametrize("name", COLLECTIONS)
def test_a_collection_is_as_the_official_file_wants_it(
    sis: Emulator, headers: dict[str, str], name: str
) -> None:
    answer = get(sis, name, headers, limit=1000)
    (items,) = answer.json().values()

    check_collection(answer.json())
    check_single(get(sis, f"{name}/{items[0]['sourcedId']}", headers).json())
    assert answer.headers["x-total-count"] == str(len(items)) == answer.headers["x-count"]


@pytest.mark.parametrize("version", ["oneRoster11Url", "oneRoster12Url"])
def test_pages_lead_to_everything_once(
    sis: Emulator, headers: dict[str, str], version: str
) -> None:
    enrolments = every_page(sis, f"{sis.told[version]}/enrollments", headers, limit=37)
    ids = [one["sourcedId"] for one in enrolments]

    active = sis.truth()["active"]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    live = [one for one in enrolments if one["status"] == "active"]
    assert len(live) == active["enrolments"] + active["sections"]
    assert sis.evidence()["pagesServed"] == -(-len(ids) // 37)


@pytest.mark.parametrize("method", HMACS)
def test_a_signed_request_is_served_once(sis: Emulator, method: str) -> None:
    address = f"{sis.told['oneRoster11Url']}/users?limit=3&filter=status%3D%27active%27"
    headers = sis.signed(address, method=method)

    assert sis.client.get(address, headers=headers).status_code == 200
    assert sis.client.get(address, headers=headers).status_code == 401, "the nonce was used"
    assert sis.evidence()["refusals"] == {"bad_signature": 1}
    assert sis.evidence()["requests"]["GET /ims/oneroster/v1p1/users"] == {
        sis.told["oauth1Key"]: 1,
        "-": 1,
    }


@pytest.mark.parametrize("method", HMACS)
def test_a_signature_covers_the_query_the_secret_and_the_time(sis: Emulator, method: str) -> None:
    address = f"{sis.told['oneRoster11Url']}/users?limit=3"
    late = str(int(time.time()) - 3600)
    other = sis.signed(address, method=method)

    assert sis.client.get(address + "0", headers=other).status_code == 401
    wrong = sis.signed(address, method=method, secret="another")
    assert sis.client.get(address, headers=wrong).status_code == 401
    old = sis.signed(address, method=method, timestamp=late)
    assert sis.client.get(address, headers=old).status_code == 401
    assert sis.evidence()["refusals"] == {"bad_signature": 3}


def test_a_plaintext_signature_is_refused(sis: Emulator) -> None:
    address = f"{sis.told['oneRoster11Url']}/users"

    headers = sis.signed(address, method="PLAINTEXT")
    assert sis.client.get(address, headers=headers).status_code == 401


def test_demographics_have_a_scope_of_their_own(sis: Emulator) -> None:
    core = "https://purl.imsglobal.org/spec/or/v1p2/scope/roster-core.readonly"
    headers = sis.token(scope=core)

    assert get(sis, "users", headers).status_code == 200
    refused = get(sis, "demographics", headers)
    assert refused.status_code == 403
    check_error(refused.json())


def test_a_token_must_name_a_scope_and_a_known_client(sis: Emulator) -> None:
    form = {"grant_type": "client_credentials"}
    known = (sis.told["clientId"], sis.told["clientSecret"])

    bare = sis.client.post(sis.told["tokenUrl"], data=form, auth=known)
    stranger = sis.client.post(sis.told["tokenUrl"], data=form, auth=("somebody", "x"))

    assert (bare.status_code, bare.json()["error"]) == (400, "invalid_scope")
    assert (stranger.status_code, stranger.json()["error"]) == (401, "invalid_client")
    assert sis.evidence()["refusals"] == {"bad_scope": 1, "bad_client": 1}
    assert sis.evidence()["tokensIssued"] == 0


def test_without_a_token_nothing_is_read(sis: Emulator) -> None:
    refused = get(sis, "users", {})

    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    check_error(refused.json())


def test_a_delta_holds_what_the_clerk_changed(sis: Emulator, headers: dict[str, str]) -> None:
    before = max(one["modified"] for one in sis.truth("people", limit=1000)["records"])
    one, other = [pupil["dcid"] for pupil in sis.truth("students")["records"]][:2]
    student = sis.do("students", givenName="Brisa", familyName="Quillow")["records"][0]
    renamed = sis.do(f"students/{one}/name", givenName="Corwynn")["records"][0]
    left = sis.do(f"students/{other}/withdraw")["records"][0]

    delta = get(sis, "students", headers, filter=f"dateLastModified>'{before}'", limit=1000)

    seen = {one["sourcedId"]: one for one in delta.json()["users"]}
    ids = {one["dcid"]: one["sourcedIds"]["oneRoster"] for one in (student, renamed, left)}
    assert seen.keys() == set(ids.values())
    assert seen[ids[student["dcid"]]]["familyName"] == "Quillow"
    assert seen[ids[one]]["givenName"] == "Corwynn"
    assert seen[ids[other]]["status"] == "tobedeleted"


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "many"},
        {"offset": "-1"},
        {"filter": "familyName"},
        {"filter": "dateLastModified>'yesterday'"},
        {"filter": "a='1' AND b='2' OR c='3'"},
    ],
)
def test_a_bad_query_is_refused(
    sis: Emulator, headers: dict[str, str], query: dict[str, str]
) -> None:
    refused = get(sis, "users", headers, **query)

    assert refused.status_code == 400
    check_error(refused.json())


def test_too_many_requests_names_the_seconds(sis: Emulator, headers: dict[str, str]) -> None:
    sis.fault("too_many_requests", times=2, amount=3, path="/users")

    refused = [get(sis, "users", headers) for _ in range(3)]

    assert [one.status_code for one in refused] == [429, 429, 200]
    assert refused[0].headers["retry-after"] == "3"
    assert sis.evidence()["faults"] == {"too_many_requests": 2}


def test_a_pull_fails_in_the_middle(sis: Emulator, headers: dict[str, str]) -> None:
    sis.fault("server_error", after=2, path="/enrollments")

    pages = [get(sis, "enrollments", headers, limit=9, offset=9 * n) for n in range(4)]

    assert [one.status_code for one in pages] == [200, 200, 500, 200]


def test_an_empty_success_is_a_success_without_items(
    sis: Emulator, headers: dict[str, str]
) -> None:
    sis.fault("empty_success")

    answer = get(sis, "users", headers)

    assert (answer.status_code, answer.json()) == (200, {"users": []})
    assert answer.headers["x-total-count"] == "0"
    assert get(sis, "users", headers).json()["users"]


def test_counts_and_pages_can_disagree(sis: Emulator, headers: dict[str, str]) -> None:
    right = get(sis, "orgs", headers)
    sis.fault("wrong_total", amount=5)
    wrong = get(sis, "orgs", headers)
    sis.fault("short_page", amount=2)
    short = get(sis, "orgs", headers)

    assert int(wrong.headers["x-total-count"]) == int(right.headers["x-total-count"]) + 5
    assert len(short.json()["orgs"]) == len(right.json()["orgs"]) - 2
    assert short.headers["x-total-count"] == right.headers["x-total-count"]


def test_the_revision_moves_in_the_middle_of_a_pull(sis: Emulator, headers: dict[str, str]) -> None:
    sis.fault("new_revision", after=1)

    revisions = [get(sis, "users", headers).headers["x-perm-rev"] for _ in range(3)]

    assert revisions[0] != revisions[1] == revisions[2]


def test_a_body_can_be_cut(sis: Emulator, headers: dict[str, str]) -> None:
    sis.fault("malformed")

    with pytest.raises(ValueError, match=r"."):
        get(sis, "users", headers).json()


def test_a_token_can_end_early(sis: Emulator, headers: dict[str, str]) -> None:
    sis.fault("token_expiry", after=1)

    assert get(sis, "users", headers).status_code == 200
    assert get(sis, "users", headers).status_code == 401
    assert get(sis, "users", sis.token(scope=SCOPES)).status_code == 200
    assert sis.evidence()["refusals"] == {"bad_token": 1}


def test_everybody_can_be_re_keyed(sis: Emulator, headers: dict[str, str]) -> None:
    before = get(sis, "students", headers, limit=1000).json()["users"]
    sis.fault("rekey")
    after = get(sis, "students", headers, limit=1000).json()["users"]

    assert not {one["sourcedId"] for one in before} & {one["sourcedId"] for one in after}
    assert {one["identifier"] for one in before} == {one["identifier"] for one in after}


def test_an_impossible_fault_is_refused_and_changes_nothing(sis: Emulator) -> None:
    sis.fault("slow", amount=0.1, times=None)
    wrong = {"faults": [{"kind": "slow"}, {"kind": "earthquake"}]}

    refused = sis.client.put(f"{sis.url}/_faults", json=wrong)

    assert refused.status_code == 400
    left = sis.client.get(f"{sis.url}/_faults").json()["faults"]
    assert [one["amount"] for one in left] == [0.1]


def test_the_clerk_refuses_what_cannot_be(sis: Emulator) -> None:
    nobody = sis.client.post(f"{sis.url}/_clerk/students/99999/withdraw")
    unknown = sis.client.post(f"{sis.url}/_clerk/students", json={"shoeSize": 4})

    assert (nobody.status_code, unknown.status_code) == (404, 400)
