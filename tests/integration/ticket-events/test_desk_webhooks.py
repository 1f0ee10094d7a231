"""A desk's signed webhooks: kept before they are answered, applied once, measured."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from tests.support.eventually import eventually

OTHER_SECRET = "whsec_" + "YW5vdGhlci1zZWNyZXQtb2YtYS1oZWxwLWRlc2s="
STRANGER = "whsec_" + "c29tZWJvZHktZWxzZXMtc2VjcmV0LW9mLWEtZGVzaw=="
PUBLIC = {"public": True, "byAgent": True}


def _life(desk, ticket_id="t1"):
    about = {"category": "hardware", "priority": "high", "site": "hill", "requester": "ada"}
    return [
        desk("created", ticket_id, minute=0, sequence=1, status="new", device="A-1", **about),
        desk("comment_added", ticket_id, minute=30, sequence=2, comment=PUBLIC),
        desk("solved", ticket_id, minute=60, sequence=3, status="solved"),
        desk("reopened", ticket_id, minute=90, sequence=4, status="open"),
        desk("solved", ticket_id, minute=120, sequence=5, status="solved"),
    ]


async def test_facts_of_a_ticket_become_events_and_measures_once_in_whatever_order(
    world, say, desk
):
    program = world.start()
    await world.upload(program, "A-1,S-1,Book,in_stock,,hill")
    await world.tell(say.state("ada", school_id="hill"))
    await eventually(lambda: _known(world, program, "ada"))
    life = _life(desk)
    order = [life[4], life[0], life[2], life[0], life[3], life[1], life[4]]

    for body in order:
        assert (await world.send(program, body)).status_code == 202
    await _applied(world)

    (ticket,) = (await world.tickets(program)).values()
    assert (ticket["state"], ticket["status"], ticket["reopens"]) == ("solved", "solved", 1)
    assert (ticket["category"], ticket["priority"]) == ("hardware", "high")
    told = await world.told("tickets")
    assert sorted(kind for kind, _ in told if "metric" not in kind) == [
        "ticket.comment_added",
        "ticket.created",
        "ticket.reopened",
        "ticket.solved",
        "ticket.solved",
    ]
    bodies = dict(told)
    asset = (await world.assets(program))["A-1"]
    assert bodies["ticket.created"]["deviceId"] == asset["assetId"]
    assert bodies["ticket.created"]["requesterPersonId"] == "ada"
    # How often a measure is corrected depends on what was applied together; the last word does not.
    words = {(k, b["instanceId"]): b["minutesCalendar"] for k, b in told if "metric" in k}
    assert words == {
        ("ticket.metric.first_reply", 0): 30,
        ("ticket.metric.first_resolution", 0): 60,
        ("ticket.metric.full_resolution", 0): 60,
        ("ticket.metric.full_resolution", 1): 120,
    }


async def test_a_delivery_sent_again_keeps_its_first_ids_and_changes_nothing(world, desk):
    program = world.start()
    body = desk("created")

    first = await world.send(program, body, webhook_id="w1")
    second = await world.send(program, body, webhook_id="w1", secret=OTHER_SECRET)
    await _applied(world)

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert sorted(first.json()) == ["correlationId", "deliveryId"]
    assert len(await world.told("tickets")) == 1


async def test_what_a_ticket_says_in_words_is_never_kept(world, desk):
    program = world.start()
    body = orjson.loads(desk("comment_added", comment=PUBLIC, subject="Lorem", title="Ipsum"))
    body["comment"]["body"] = "Dolor"
    body["description"] = "Sit amet"

    await world.send(program, orjson.dumps(body))
    await _applied(world)

    kept = [
        str(await world.rows(f"SELECT t::text, * FROM ticket_events.{table} t"))
        for table in ("delivery", "ticket_fact", "ticket")
    ]
    kept.append(str(await world.told("tickets")))
    for word in ("Lorem", "Ipsum", "Dolor", "Sit amet"):
        assert not [text for text in kept if word in text]
    assert (await world.rows("SELECT body FROM ticket_events.delivery"))[0]["body"]


async def test_a_body_that_says_nothing_usable_is_refused_by_field(world, desk):
    program = world.start()
    cases = [
        ({"type": "ticket.exploded"}, "type", "unknown_type"),
        ({"type": "created"}, "type", "unknown_type"),
        ({"type": None}, "type", None),
        ({"occurredAt": None}, "occurredAt", None),
        ({"occurredAt": "2999-01-01T00:00:00Z"}, "occurredAt", "in_the_future"),
        ({"occurredAt": "1970-01-01T00:00:00Z"}, "occurredAt", "out_of_range"),
        ({"sequence": "one"}, "sequence", None),
        ({"ticket": None}, "ticket", None),
        ({"ticket": {"status": "new"}}, "ticket.id", "missing"),
        ({"ticket": {"id": "t1\x00"}}, "ticket.id", None),
        ({"ticket": {"id": "t1", "site": "where Ada sits"}}, "ticket.site", None),
        ({"ticket": {"id": "t1", "requester": "ada@school.test"}}, "ticket.requester", None),
        ({"type": "ticket.comment_added"}, "comment", "missing"),
        ({"type": "ticket.status_changed"}, "ticket.status", "missing"),
        ({"type": "ticket.merged"}, "ticket.mergedInto", "missing"),
    ]

    for change, field, message in cases:
        body = orjson.dumps({**orjson.loads(desk("created")), **change})
        answer = await world.send(program, body)

        assert answer.status_code == 422, change
        (error,) = answer.json()["errors"]
        assert error["field"] == field
        assert message in (None, error["message"])
        assert answer.json()["code"] == "invalid_delivery"
        assert "ada@" not in answer.text
    assert await world.rows("SELECT 1 FROM ticket_events.delivery") == []


async def test_bodies_that_are_none_and_senders_that_prove_nothing_are_refused(world, desk):
    program, body = world.start(), desk("created")
    now = datetime.now(UTC)
    url = f"{program.url}/webhooks/helpdesk"

    answers = {
        "no json": await world.send(program, b"{"),
        "a list": await world.send(program, b"[]"),
        "half a letter": await world.send(program, b'{"type": "\\ud800"}'),
        "too large": await world.send(program, b" " * 4_001),
        "too large, in pieces": await world.http.post(url, content=_pieces()),
        "unknown desk": await world.send(program, body, desk="nobody"),
        "stranger": await world.send(program, body, secret=STRANGER),
        "too old": await world.send(program, body, at=now - timedelta(minutes=6)),
        # Far beyond the window of five minutes: the clock goes on until the service looks.
        "too new": await world.send(program, body, at=now + timedelta(hours=1)),
        "unsigned": await world.http.post(url, content=body),
    }

    assert {name: answer.status_code for name, answer in answers.items()} == {
        "no json": 400,
        "a list": 400,
        "half a letter": 400,
        "too large": 413,
        "too large, in pieces": 413,
        "unknown desk": 404,
        "stranger": 401,
        "too old": 401,
        "too new": 401,
        "unsigned": 401,
    }
    for answer in answers.values():
        assert answer.headers["content-type"] == "application/problem+json"
    assert [answers[name].json()["code"] for name in ("too large", "unknown desk", "stranger")] == [
        "too_large",
        "unknown_desk",
        "not_verified",
    ]
    assert answers["stranger"].json()["errors"][0]["message"] == "signature_mismatch"
    assert answers["too old"].json()["errors"][0]["message"] == "timestamp_outside_window"
    assert answers["unsigned"].json()["errors"][0]["field"] == "webhook-id"
    assert await world.rows("SELECT 1 FROM ticket_events.delivery") == []


@pytest.mark.parametrize(
    "failpoint",
    ["tickets.accept.before_commit", "tickets.accept.after_commit", "tickets.apply.before_commit"],
)
async def test_a_delivery_survives_a_kill_once_it_was_answered_and_is_applied_once(
    world, desk, tmp_path, failpoint
):
    marker = tmp_path / "was-hit"
    doomed = world.start_ready_doomed(failpoint, marker)

    await world.cut_off(lambda: world.send(doomed, desk("created"), webhook_id="w1"))
    doomed.wait_for_exit(within_s=60)
    kept = len(await world.rows("SELECT 1 FROM ticket_events.delivery"))
    program = world.start()
    await world.send(program, desk("created"), webhook_id="w1")
    await _applied(world)

    assert marker.exists()
    assert kept == (0 if failpoint == "tickets.accept.before_commit" else 1)
    assert [kind for kind, _ in await world.told("tickets")] == ["ticket.created"]


async def test_a_period_in_counts_and_minutes(world, desk):
    program = world.start()
    for number in range(1, 4):
        life = _life(desk, f"t{number}")
        for body in life[: {1: 5, 2: 2, 3: 1}[number]]:
            await world.send(program, body)
    await world.send(program, desk("created", "gone", minute=1))
    await world.send(program, desk("deleted", "gone", minute=2))
    await world.send(program, desk("created", "other", minute=3, site="dale"))
    await _applied(world)
    await world.upload(program, "A-1,S-1,Book,assigned,ada,hill")

    page = (
        await world.page(program, "/tickets/metrics?from=2026-09-01&to=2026-09-02&by=site")
    ).json()

    tickets = page["tickets"]
    assert (tickets["created"], tickets["solved"], tickets["reopened"]) == (4, 1, 1)
    assert tickets["openBacklog"] == 3
    assert tickets["firstReply"] == {
        "count": 2,
        "calendarMinutes": {"median": 30.0, "p90": 30.0},
        "businessMinutes": {"median": 30.0, "p90": 30.0},
    }
    assert tickets["firstResolution"]["calendarMinutes"]["median"] == 60.0
    assert tickets["fullResolution"]["calendarMinutes"]["median"] == 90.0
    assert [(g["key"], g["created"]) for g in page["groups"]] == [("dale", 1), ("hill", 3)]
    now = (await world.page(program, _today())).json()
    assert now["devices"] == {
        "registered": 1,
        "assigned": 1,
        "returned": 0,
        "toCollect": 0,
        "requestedOpen": 0,
    }
    hidden = (await world.page(program, _today(), districts=["south"])).json()
    assert hidden["devices"]["registered"] == 0


async def test_a_period_that_makes_no_sense_is_refused_by_name(world):
    program = world.start()
    cases = {
        "": "from",
        "?from=2026-09-01": "to",
        "?from=yesterday&to=2026-09-02": "from",
        "?from=2026-09-02&to=2026-09-01": "to",
        "?from=2024-09-02&to=2026-09-01": "to",
        "?from=2026-09-01&to=2026-09-02&by=name": "by",
        "?from=0001-01-01T00:00:00%2B14:00&to=0001-01-02T00:00:00%2B14:00": "from",
        "?from=9999-12-30&to=9999-12-31T23:00:00-14:00": "from",
    }

    for query, field in cases.items():
        answer = await world.page(program, f"/tickets/metrics{query}")

        assert answer.status_code == 422, query
        assert answer.json()["errors"][0]["field"].startswith(field)


async def test_a_question_that_no_database_can_hold_is_refused(world):
    program = world.start()
    paths = [
        "/assets?holder=%00",
        "/assets?site=%00",
        "/assets/%00",
        "/tickets?district=%00",
        "/device-requests?personId=%00",
        "/status?district=%00",
        "/trace/%00",
        "/trace/people/%00",
    ]

    answers = {path: (await world.page(program, path)).status_code for path in paths}

    assert answers == dict.fromkeys(paths, 422)


async def test_the_readiness_page_shows_what_waits(world):
    await world.rows(
        "INSERT INTO ticket_events.delivery (district_id, delivery_id, desk, external_id,"
        " correlation_id, received_at, body)"
        " VALUES ('north', 'd1', 'taken-out', 'w1', 'c1', now() - interval '2 minutes', '')"
    )
    program = world.start()

    page = (await world.http.get(f"{program.url}/readyz")).json()

    inbox = page["checks"]["inbox"]
    assert (inbox["ok"], inbox["critical"], inbox["waiting"]) == (False, False, 1)
    assert inbox["oldestSeconds"] >= 120


async def _pieces():
    """A body that does not say how large it is."""
    for _ in range(41):
        yield b" " * 100


def _today():
    day = datetime.now(UTC).date()
    return f"/tickets/metrics?from={day - timedelta(days=1)}&to={day + timedelta(days=1)}"


async def _known(world, program, person_id):
    copies = (await world.page(program, f"/trace/people/{person_id}")).json()["copies"]
    return [copy for copy in copies if copy["kind"] == "person"]


async def _applied(world):
    async def none_waits():
        rows = await world.rows("SELECT 1 FROM ticket_events.delivery WHERE state = 'waiting'")
        return not rows

    await eventually(none_waits, what="an empty inbox")
