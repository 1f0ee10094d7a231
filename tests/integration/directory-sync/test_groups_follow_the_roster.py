"""From persons and classes on the log to groups in a directory that we did not write."""

import random
from datetime import timedelta

from roster_common.contracts.roster_class_v1 import ClassTerm
from roster_common.contracts.roster_person_v1 import PersonRole
from roster_common.runtime.clock import SystemClock
from tests.support.eventually import eventually

TODAY = SystemClock().now().date()
C1, C2 = "k12:class:c1", "k12:class:c2"
STUDENTS = "k12:school:hill:students"
STAFF = "k12:school:hill:staff"
GROUP_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Group"
ADDED = "k12.directory.membership.added.v1"
REMOVED = "k12.directory.membership.removed.v1"


async def test_people_of_a_school_and_of_a_class_are_in_their_groups(
    grouped, a_person, an_event, a_class, a_seat
):
    grouped.start()

    await grouped.tell(
        a_class("c1", title="Algebra", class_code="A-1"),
        an_event(a_person("p1", roles=at("hill"), classes=a_seat("c1"))),
        an_event(a_person("p2", roles=at("hill"))),
        an_event(a_person("t1", roles=at("hill", "teacher"), classes=a_seat("c1", "teacher"))),
        an_event(a_person("g1", roles=at("hill", "guardian"))),
    )

    await eventually(grouped.settled)
    assert await grouped.members() == {
        C1: {"p1", "t1"},
        STUDENTS: {"p1", "p2"},
        STAFF: {"t1"},
    }
    assert {g["externalId"]: g["displayName"] for g in await grouped.groups()} == {
        C1: "Algebra (A-1)",
        STUDENTS: "Hill School: students",
        STAFF: "Hill School: staff",
    }


async def test_a_class_move_is_one_removal_and_one_addition_and_says_so(
    grouped, a_person, an_event, a_class, a_seat
):
    program = grouped.start()
    await grouped.tell(
        a_class("c1"),
        a_class("c2"),
        an_event(a_person("p1", classes=a_seat("c1"))),
        an_event(a_person("p2", classes=a_seat("c1"))),
    )
    await eventually(grouped.settled)

    moved = a_person("p1", classes=a_seat("c2"), revision=2)
    await grouped.tell(an_event(moved, correlation_id="why-moved"))

    await eventually(grouped.settled)
    assert await grouped.members() == {C1: {"p2"}, C2: {"p1"}}
    copies = (await grouped.page(program, "/trace/people/p1")).json()["copies"]
    keys = {copy["detail"] for copy in copies if copy["kind"] == "membership"}
    assert C2 in keys
    assert C1 not in keys
    ids = {group["externalId"]: group["id"] for group in await grouped.groups()}
    account = (await grouped.user("p1"))["id"]
    told = [(name, body) for name, body in await grouped.events() if "membership" in name][2:]
    assert sorted(told, key=lambda one: one[0]) == [
        (ADDED, membership("p1", account, ids[C2])),
        (REMOVED, membership("p1", account, ids[C1])),
    ]
    page = (await grouped.page(program, f"/groups/{C2}")).json()
    assert page["groups"][0]["correlationId"] == "why-moved"
    assert [one["personId"] for one in page["groups"][0]["people"]] == ["p1"]


async def test_a_new_title_renames_the_group_and_makes_no_other(
    grouped, a_person, an_event, a_class, a_seat
):
    grouped.start()
    await grouped.tell(a_class("c1"), an_event(a_person("p1", classes=a_seat("c1"))))
    await eventually(grouped.settled)
    (before,) = await grouped.groups()

    await grouped.tell(a_class("c1", title="Geometry", revision=2))

    await eventually(grouped.settled)
    (after,) = await grouped.groups()
    assert (after["id"], after["displayName"]) == (before["id"], "Geometry")
    assert after["members"] == before["members"]


async def test_ended_classes_and_accounts_that_go_off_empty_groups_and_delete_none(
    grouped, a_person, an_event, a_class, a_seat
):
    grouped.start()
    await grouped.tell(
        a_class("c1"),
        an_event(a_person("p1", roles=at("hill"), classes=a_seat("c1"))),
        a_class("c2"),
        an_event(a_person("p2", roles=at("hill"), classes=a_seat("c1"))),
        an_event(a_person("p3", roles=at("hill"), classes=a_seat("c2"))),
    )
    await eventually(grouped.settled)

    without_role = a_person(
        "p3", roles=at("hill", end_date=TODAY), classes=a_seat("c2"), revision=2
    )
    await grouped.tell(
        a_class("c1", revision=2, terms=ended()),
        an_event(a_person("p1", status="tobedeleted", roles=(), revision=2)),
        an_event(without_role),
    )

    await eventually(grouped.settled)
    assert (await grouped.user("p1"))["active"] is False
    assert await grouped.members() == {C1: set(), C2: set(), STUDENTS: {"p2"}}


async def test_a_group_that_stood_there_is_adopted_and_strangers_in_it_stay(
    grouped, a_person, an_event, a_class, a_seat
):
    stranger = (await grouped.scim_request("POST", "/Users", json=scim_user("someone"))).json()
    await grouped.scim_request("POST", "/Users", json=scim_user("old", externalId="p9"))
    found = await grouped.scim_request(
        "POST",
        "/Groups",
        json={
            "schemas": [GROUP_SCHEMA],
            "displayName": "old name",
            "externalId": C1,
            "members": [{"value": stranger["id"]}, {"value": (await grouped.user("p9"))["id"]}],
        },
    )
    grouped.start()

    await grouped.tell(
        a_class("c1"),
        an_event(a_person("p1", classes=a_seat("c1"))),
        an_event(a_person("p9", roles=at("hill"))),
    )

    await eventually(grouped.settled)
    group = next(g for g in await grouped.groups() if g["externalId"] == C1)
    assert (group["id"], group["displayName"]) == (found.json()["id"], "Algebra")
    assert {m["value"] for m in group["members"]} == {
        stranger["id"],
        (await grouped.user("p1"))["id"],
    }
    assert len(await grouped.groups()) == 2


async def test_an_account_seen_in_a_group_before_its_person_came_is_a_member_once_they_are_there(
    grouped, a_person, an_event, a_class, a_seat
):
    await grouped.scim_request("POST", "/Users", json=scim_user("old", externalId="p9"))
    account = await grouped.user("p9")
    await grouped.scim_request(
        "POST",
        "/Groups",
        json={
            "schemas": [GROUP_SCHEMA],
            "displayName": "Algebra",
            "externalId": C1,
            "members": [{"value": account["id"]}],
        },
    )
    grouped.start()
    await grouped.tell(a_class("c1"), an_event(a_person("p1", classes=a_seat("c1"))))
    await eventually(grouped.settled)
    assert (await grouped.members())[C1] == {"p1", "p9"}

    await grouped.tell(an_event(a_person("p9", roles=at("hill"))))

    await eventually(grouped.settled)
    assert (await grouped.members())[C1] == {"p1"}


async def test_a_group_deleted_by_hand_is_made_again(grouped, a_person, an_event, a_class, a_seat):
    grouped.start()
    await grouped.tell(a_class("c1"), an_event(a_person("p1", classes=a_seat("c1"))))
    await eventually(grouped.settled)
    (gone,) = await grouped.groups()
    await grouped.scim_request("DELETE", f"/Groups/{gone['id']}")

    await grouped.tell(an_event(a_person("p2", classes=a_seat("c1"))))

    await eventually(grouped.settled)
    assert await grouped.members() == {C1: {"p1", "p2"}}


async def test_too_many_removals_wait_and_additions_go_on(
    grouped, a_person, an_event, a_class, a_seat
):
    program = grouped.start()
    pupils = [f"p{n}" for n in range(60)]
    await grouped.tell(
        a_class("c1", origin="firstload"),
        *(
            an_event(a_person(p, roles=at("hill"), classes=a_seat("c1")), origin="firstload")
            for p in pupils
        ),
    )
    await eventually(grouped.settled, within_s=30)

    await grouped.tell(
        *(an_event(a_person(p, roles=at("hill"), revision=2)) for p in pupils[:51]),
        an_event(a_person("new", roles=at("hill"), classes=a_seat("c1"))),
    )

    await eventually(lambda: holds(grouped, C1, removals=51))
    await eventually(lambda: no_people_wait(grouped))
    shown = await eventually(lambda: with_member(grouped, C1, "new"))
    assert shown[C1] == {*pupils, "new"}
    told = {"groups": 2, "memberships": 122, "held": 51, "waiting": 0, "failing": {}}
    await eventually(lambda: status_tells(grouped, program, told))
    assert REMOVED not in [name for name, _ in await grouped.events()]


async def test_a_leaver_whose_account_is_not_off_yet_stays_in_its_groups(
    grouped, a_person, an_event, a_class, a_seat
):
    grouped.start()
    await grouped.tell(
        a_class("c1"),
        an_event(a_person("p1", classes=a_seat("c1"))),
        an_event(a_person("p2", classes=a_seat("c1"))),
    )
    await eventually(grouped.settled)
    await hold_work_on(grouped, "p1")

    await grouped.tell(
        an_event(a_person("p1", roles=(), revision=2)),
        an_event(a_person("p2", revision=2)),
    )

    await eventually(lambda: only_waits_for(grouped, "p1"))
    assert await grouped.members() == {C1: {"p1"}}


async def test_pages_about_groups_show_ids_and_need_a_token_of_the_district(
    grouped, a_person, an_event, a_class, a_seat
):
    program = grouped.start()
    await grouped.tell(
        a_class("c1"), an_event(a_person("p1", roles=at("hill"), classes=a_seat("c1")))
    )
    await eventually(grouped.settled)

    listed = (await grouped.page(program, "/groups?limit=1&offset=1")).json()
    without = await grouped.http.get(f"{program.url}/groups")
    other = await grouped.page(program, f"/groups/{C1}", districts=["south"])
    elsewhere = await grouped.page(program, "/groups", districts=["south"])
    no_target = await grouped.page(program, f"/groups/{C1}?target=other")

    assert (listed["total"], [g["key"] for g in listed["groups"]]) == (2, [STUDENTS])
    (shown,) = listed["groups"]
    assert shown.pop("at")
    assert shown == {
        "district": "north",
        "target": "north-directory",
        "key": STUDENTS,
        "kind": "students",
        "groupId": next(g["id"] for g in await grouped.groups() if g["externalId"] == STUDENTS),
        "displayName": "Hill School: students",
        "state": "settled",
        "members": 1,
        "held": 0,
        "heldSince": None,
        "waitingSince": None,
        "correlationId": "why-1",
        "errorCode": None,
    }
    assert without.status_code == 401
    assert (other.status_code, no_target.status_code) == (404, 404)
    assert elsewhere.json() == {"total": 0, "groups": []}


async def test_a_target_that_wants_no_groups_gets_none(world, a_person, an_event, a_class, a_seat):
    program = world.start()

    await world.tell(a_class("c1"), an_event(a_person("p1", classes=a_seat("c1"))))

    await eventually(lambda: world.user("p1"))
    await eventually(world.settled)
    assert await world.groups() == []
    assert (await world.page(program, "/status")).json()["targets"][0]["groups"] is None


async def test_after_any_changes_every_group_holds_who_the_roster_says(
    grouped, a_person, an_event, a_class, a_seat
):
    """Members as the directory shows them, against all persons and classes told, by brute force."""
    grouped.start()
    dice = random.Random(20261125)
    roster = Roster(a_seat)
    for step in range(4):
        events = [
            *(a_class(i, **fields) for i, fields in roster.change_classes(dice, step)),
            *(
                an_event(a_person(i, **fields), origin="firstload" if step == 0 else "webhook")
                for i, fields in roster.change_people(dice, step)
            ),
        ]
        dice.shuffle(events)
        await grouped.tell(*events)
        if step % 2 == 0:
            await eventually(grouped.settled, within_s=40)

    await eventually(grouped.settled, within_s=40)
    shown = {key: people for key, people in (await grouped.members()).items() if people}
    assert shown == roster.expected()
    names = {g["externalId"]: g["displayName"] for g in await grouped.groups()}
    assert {k: names[k] for k in roster.titles() if k in names} == {
        k: title for k, title in roster.titles().items() if k in names
    }
    rows = await grouped.query("SELECT group_key, account_id FROM directory_sync.membership")
    assert len(rows) == sum(len(people) for people in shown.values())


class Roster:
    """What was told last of each person and class; the oracle reads nothing else."""

    def __init__(self, a_seat):
        self.a_seat = a_seat
        self.people = {}
        self.classes = {}

    def change_classes(self, dice, step):
        chosen = range(8) if step == 0 else dice.sample(range(8), 2)
        for number in chosen:
            fields = {
                "title": f"Class {number} {dice.randrange(100)}",
                "revision": step + 1,
                "status": "tobedeleted" if step and dice.random() < 0.15 else "active",
                "terms": ended() if step and dice.random() < 0.15 else (),
            }
            self.classes[f"c{number}"] = fields
            yield f"c{number}", fields

    def change_people(self, dice, step):
        chosen = range(40) if step == 0 else dice.sample(range(44), 5)
        for number in chosen:
            teacher = number % 8 == 0
            school = dice.choice(["hill", "dale"])
            dates = dice.choice([{}, {}, {"end_date": TODAY}, {"begin_date": TODAY}])
            fields = {
                "family_name": f"Name{number}",
                "revision": step + 1,
                "status": "tobedeleted" if step and dice.random() < 0.2 else "active",
                "enabled": not step or dice.random() < 0.9,
                "roles": at(school, "teacher" if teacher else "student", **dates),
                "classes": tuple(
                    one
                    for i in dice.sample(range(8), 3)
                    for one in self.a_seat(f"c{i}", "teacher" if teacher else "student")
                ),
            }
            self.people[f"p{number}"] = fields
            yield f"p{number}", fields

    def expected(self):
        wanted = {}
        for person_id, fields in self.people.items():
            (role,) = fields["roles"]
            counts = role.end_date is None
            # No role that counts, no account that is on; so nobody to put into a class either.
            if fields["status"] != "active" or not fields["enabled"] or not counts:
                continue
            kind = "students" if role.role == "student" else "staff"
            wanted.setdefault(f"k12:school:{role.org_id}:{kind}", set()).add(person_id)
            for seat in fields["classes"]:
                held = self.classes[seat.class_id]
                if held["status"] == "active" and not held["terms"]:
                    wanted.setdefault(f"k12:class:{seat.class_id}", set()).add(person_id)
        return wanted

    def titles(self):
        return {f"k12:class:{i}": fields["title"] for i, fields in self.classes.items()}


def at(school_id, role="student", **dates):
    return (
        PersonRole(
            role=role,
            role_type="primary",
            org_id=school_id,
            org_type="school",
            org_name=f"{school_id.title()} School",
            **dates,
        ),
    )


def ended():
    return (ClassTerm(id="t1", begin_date=TODAY - timedelta(days=90), end_date=TODAY),)


def scim_user(name, **fields):
    schema = "urn:ietf:params:scim:schemas:core:2.0:User"
    return {"schemas": [schema], "userName": name, "active": True, **fields}


def membership(person_id, account_id, group_id):
    return {
        "target": "north-directory",
        "personId": person_id,
        "accountId": account_id,
        "groupId": group_id,
        "reason": "class",
    }


async def status_tells(world, program, told):
    status = (await world.page(program, "/status")).json()["targets"][0]["groups"]
    assert status == told
    return True


async def with_member(world, key, person_id):
    shown = await world.members()
    return shown if person_id in shown[key] else None


async def holds(world, key, *, removals):
    rows = await world.query("SELECT group_key, held FROM directory_sync.directory_group")
    return {row["group_key"]: row["held"] for row in rows}[key] == removals


async def hold_work_on(world, person_id):
    """Nobody works on this account any more, as when its disabling waits for approval."""
    await world.query(
        "INSERT INTO directory_sync.dirty (district_id, target_id, person_id, lane,"
        " correlation_id, origin, since, next_attempt_at, lease_token, lease_until)"
        " SELECT 'north', 'north-directory', $1, 0, 'x', 'webhook', now(), now(), 'x',"
        " now() + interval '1 hour'",
        person_id,
    )


async def only_waits_for(world, person_id):
    # In the order of the work: what is asked later cannot be older than what was seen before.
    told = await world.query("SELECT state FROM directory_sync.person WHERE person_id = 'p2'")
    people = await world.query("SELECT person_id FROM directory_sync.dirty")
    marked = await world.query("SELECT 1 FROM directory_sync.dirty_group")
    return (
        '"seats": []' in told[0]["state"]
        and [row["person_id"] for row in people] == [person_id]
        and not marked
    )


async def no_people_wait(world):
    return await world.waiting() == 0
