"""Answers and addresses that make no sense harm nobody else."""

import json

from tests.support.bent_directory import Bend, bent_directory
from tests.support.eventually import eventually

USER = "urn:ietf:params:scim:schemas:core:2.0:User"


class Spoilt(Bend):
    """Lists a display name with a NUL, which no text in PostgreSQL can hold."""

    def give(self, method, path, reply):
        """The list with the NUL."""
        status, content = reply
        if method == "GET" and path.startswith("/v2/Users?"):
            page = json.loads(content)
            for user in page.get("Resources", ()):
                user["displayName"] = "A\x00da"
            content = json.dumps(page).encode()
        return status, content


async def test_a_value_that_cannot_be_kept_stops_no_target(world, a_person, an_event):
    await world.scim_request(
        "POST", "/Users", json={"schemas": [USER], "userName": "ada", "externalId": "p1"}
    )
    with bent_directory(world.scim.url, Spoilt()) as url:
        program = world.start(HOMEROOM_TARGETS=world.targets(url=url))

        await world.tell(an_event(a_person("p1")), an_event(a_person("p2")))

        await eventually(lambda: world.user("p2"))
        await eventually(world.settled)
    assert (await world.user("p1"))["displayName"] == "Ada Lovelace"
    assert "loop_failed" not in program.log()


class Absurd(Bend):
    """Answers lists with what breaks any reader."""

    def give(self, method, path, reply):
        """A list of nothing."""
        if path.startswith("/v2/Users"):
            return 200, b'{"totalResults": 1, "Resources": [null]}'
        return reply


async def test_a_target_that_answers_nonsense_delays_itself_alone(world, a_person, an_event):
    with bent_directory(world.scim.url, Absurd()) as url:
        (good,) = json.loads(world.targets())
        (bad,) = json.loads(world.targets(url=url, id="bad"))
        program = world.start(HOMEROOM_TARGETS=json.dumps([bad, good]))

        await world.tell(an_event(a_person("p1")))

        assert await eventually(lambda: world.user("p1"))
        assert await eventually(lambda: "target_not_read" in program.log())
        assert (await world.http.get(f"{program.url}/readyz")).status_code == 200


async def test_a_text_that_cannot_be_kept_is_refused_wherever_a_page_takes_one(world):
    program = world.start()
    paths = (await world.http.get(f"{program.url}/openapi.json")).json()["paths"]
    texts = [
        (method, path, parameter)
        for path, methods in paths.items()
        for method, operation in methods.items()
        for parameter in operation.get("parameters", ())
        if parameter["in"] in ("path", "query") and "string" in json.dumps(parameter["schema"])
    ]

    answers = {
        (method, path, p["name"]): await _with_nul(world, program, method, path, p)
        for method, path, p in texts
    }

    assert len(answers) > 10
    assert set(answers.values()) == {422}, answers


async def _with_nul(world, program, method, path, parameter):
    query = {"district": "north", "target": "north-directory"}
    if parameter["in"] == "query":
        query |= {parameter["name"]: "a\x00b"}
    shown = path.replace("{" + parameter["name"] + "}", "a%00b").replace("{", "").replace("}", "")
    text = "&".join(f"{name}={value}" for name, value in query.items()).replace("\x00", "%00")
    if method == "get":
        return (await world.page(program, f"{shown}?{text}")).status_code
    body = {"itemsHash": "0" * 64} if path.endswith("approve") else None
    role = "operator" if path == "/reconcile" else "approver"
    return (await world.post(program, f"{shown}?{text}", body, role=role)).status_code
