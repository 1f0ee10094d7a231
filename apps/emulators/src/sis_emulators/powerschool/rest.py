"""PowerSchool's `/ws/v1`: pages by number, counts, expansions, single records by DCID."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sis_emulators import VERSION
from sis_emulators.emulator import House
from sis_emulators.office.records import Enrolment, Post, Staff, Student
from sis_emulators.office.tables import R, Table
from sis_emulators.powerschool.shapes import (
    STAFF_EXPANSIONS,
    STUDENT_EXPANSIONS,
    Body,
    Shapes,
    alone,
)
from sis_emulators.wire.answers import Json
from sis_emulators.wire.tokens import TokenIssuer

BASE = "/ws/v1"
EXPANSIONS = {"student": STUDENT_EXPANSIONS, "staff": STAFF_EXPANSIONS, "section": ("term",)}
WRAPPERS = {"staff": "staffs"}
RESOURCES = ("course", "school", "section", "section_enrollment", "staff", "student", "term")
_TERM = re.compile(r"(?P<field>[\w.]+)==(?P<value>[^;]+)")


class Refused(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind of record: how all of them and one of them are found, and how one is written."""

    rows: Callable[[], Iterable[Any]]
    find: Callable[[int], Any]
    write: Callable[[Any, Collection[str]], Body]


class Rest:
    """The routes of one office. `page_max` is what an administrator allows the plugin."""

    def __init__(self, house: House, tokens: TokenIssuer, page_max: int) -> None:
        self._house = house
        self._office = house.office
        self._tokens = tokens
        self._page_max = page_max
        shapes = Shapes(self._office)
        self._resources = {
            "course": _resource(self._office.courses, shapes.course),
            "school": _resource(self._office.schools, shapes.school),
            "section": _resource(self._office.sections, shapes.section),
            "section_enrollment": _resource(self._office.enrolments, shapes.section_enrolment),
            "staff": Resource(rows=self._posts, find=self._post, write=shapes.staff),
            "student": _resource(self._office.students, shapes.student),
            "term": _resource(self._office.terms, shapes.term),
        }

    def routes(self) -> list[Route]:
        """All of them; a collection also has its count."""
        singles = {"metadata": self._metadata, "district": self._district}
        collections = {
            "school": ("school", self._everything("school")),
            "district/school": ("school", self._everything("school")),
            "district/student": ("student", self._everything("student")),
            "section/{id:int}/section_enrollment": ("section_enrollment", self._seats),
            **{
                f"school/{{id:int}}/{name}": (name, self._at_school(name))
                for name in ("student", "staff", "course", "section", "term")
            },
        }
        found = [self._route(name, self._told(write)) for name, write in singles.items()]
        found.append(self._route("test_subscription", self._told(_test_subscription)))
        for path, (name, rows) in collections.items():
            found.append(self._route(f"{path}/count", self._count(rows)))
            found.append(self._route(path, self._page(name, rows)))
        found += [self._route(f"{name}/{{id:int}}", self._one(name)) for name in RESOURCES]
        return found

    def guarded(self, answer: Callable[[Request], Response]) -> Callable[[Request], Any]:
        """An endpoint that asks for a token and for JSON first."""

        async def endpoint(request: Request) -> Response:
            try:
                self._enter(request)
                return answer(request)
            except Refused as refused:
                return Json({"message": str(refused)}, status_code=refused.status)

        return endpoint

    def _enter(self, request: Request) -> None:
        if self._tokens.check(request) is None:
            raise Refused(401, "the access token is not known, or no longer")
        if "json" not in request.headers.get("accept", ""):
            raise Refused(406, "without Accept: application/json a live system answers XML")

    def _route(self, path: str, answer: Callable[[Request], Response]) -> Route:
        return Route(f"{BASE}/{path}", self.guarded(answer), methods=["GET"])

    def _told(self, write: Callable[[], Body]) -> Callable[[Request], Response]:
        return lambda _request: Json(write())

    def _metadata(self) -> Body:
        sizes = {f"{name}_max_page_size": self._page_max for name in RESOURCES}
        return {"metadata": {
            **sizes, "schema_table_query_max_page_size": self._page_max,
            "powerschool_version": f"emulator {VERSION}", "plugin_id": 1, "state": "XX",
            "district_timezone": self._office.district.timezone,
            "district_uuid": self._office.district.uuid,
        }}  # fmt: skip

    def _district(self) -> Body:
        district = self._office.district
        return {"district": {
            "uuid": district.uuid, "name": district.name, "district_number": district.number,
        }}  # fmt: skip

    def _posts(self) -> Iterable[tuple[Staff, Post]]:
        return ((one, post) for one in self._office.staff.live() for post in one.posts)

    def _post(self, number: int) -> tuple[Staff, Post] | None:
        return next((row for row in self._posts() if row[1].dcid == number), None)

    def _everything(self, name: str) -> Callable[[Request], list[Any]]:
        return lambda _request: list(self._resources[name].rows())

    def _at_school(self, name: str) -> Callable[[Request], list[Any]]:
        def rows(request: Request) -> list[Any]:
            """The school's records of this kind. Raises `Refused` where there is no such school."""
            school = _number(request)
            if school not in self._office.schools.rows:
                raise Refused(404, "no such school")
            if name == "course":
                taught = {one.course for one in self._office.sections.live()
                          if one.school == school}  # fmt: skip
                return [one for one in self._office.courses.live() if one.dcid in taught]
            every = self._resources[name].rows()
            return [one for one in every if _school_of(one) == school and _current(one, request)]

        return rows

    def _seats(self, request: Request) -> list[Enrolment]:
        section = _number(request)
        if section not in self._office.sections.rows:
            raise Refused(404, "no such section")
        found = self._office.roll(section)
        return sorted(found, key=lambda one: (one.student, one.entered))

    def _count(self, rows: Callable[[Request], Sequence[Any]]) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            faults, path = self._house.faults, request.url.path
            count = len(rows(request))
            if (wrong := faults.strike("wrong_total", path)) is not None:
                count += int(wrong.amount)
            return Json({"resource": {"count": count}})

        return answer

    def _page(
        self, name: str, rows: Callable[[Request], Sequence[Any]]
    ) -> Callable[[Request], Response]:
        wrapper = WRAPPERS.get(name, f"{name}s")

        def answer(request: Request) -> Response:
            """One page, under the faults in force. Raises `Refused` for a page that cannot be."""
            page, size = self._wanted_page(request)
            part = slice((page - 1) * size, page * size)
            every = rows(request)
            if query := request.query_params.get("q"):
                written = (self._written(name, row, request) for row in every)
                bodies = [one for one in written if _fits(one, query)][part]
            else:
                bodies = [self._written(name, row, request) for row in every[part]]
            shown = self._faulty(request, bodies)
            self._house.evidence.page(len(shown))
            body: Body = {"@expansions": ", ".join(EXPANSIONS.get(name, ())), "@extensions": ""}
            if shown:
                body[name] = alone(shown)
            return Json({wrapper: body})

        return answer

    def _one(self, name: str) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            row = self._resources[name].find(_number(request))
            if row is None:
                raise Refused(404, "not found")
            return Json({name: self._written(name, row, request)})

        return answer

    def _written(self, name: str, row: object, request: Request) -> Body:
        wanted = request.query_params.get("expansions", "").replace(" ", "").split(",")
        return self._resources[name].write(row, wanted)

    def _wanted_page(self, request: Request) -> tuple[int, int]:
        told = request.query_params
        page, size = told.get("page", "1"), told.get("pagesize", str(self._page_max))
        if not (page.isdecimal() and size.isdecimal()) or not int(page) or not int(size):
            raise Refused(400, "page and pagesize are numbers from 1 on")
        if int(size) > self._page_max:
            raise Refused(400, f"pagesize is more than {self._page_max}")
        return int(page), int(size)

    def _faulty(self, request: Request, page: list[Body]) -> list[Body]:
        faults, path = self._house.faults, request.url.path
        if faults.strike("empty_success", path) is not None:
            return []
        if (short := faults.strike("short_page", path)) is not None:
            return page[: max(0, len(page) - int(short.amount))]
        return page


def _resource(table: Table[R], write: Callable[[R, Collection[str]], Body]) -> Resource:
    def find(number: int) -> R | None:
        row = table.rows.get(number)
        return None if row is None or row.gone else row

    return Resource(rows=table.live, find=find, write=write)


def _test_subscription() -> Body:
    return {"test_subscription": {"id": 1, "content": "Test Subscription"}}


def _number(request: Request) -> int:
    number: int = request.path_params["id"]
    return number


def _school_of(row: Any) -> int:
    """Of a record, or of a post of someone."""
    place: int = row[1].school if isinstance(row, tuple) else row.school
    return place


def _current(row: Any, request: Request) -> bool:
    """A school lists who is there now, unless a query asks for others."""
    if isinstance(row, Student):
        return row.active or "q" in request.query_params
    return row[0].active if isinstance(row, tuple) else True


def _fits(body: Body, query: str) -> bool:
    """`field==value` joined by `;`. Raises `Refused` for anything else."""
    for part in filter(None, query.split(";")):
        found = _TERM.fullmatch(part)
        if found is None:
            raise Refused(400, "this emulator knows field==value joined by ; only")
        if _value(body, found["field"]) != found["value"]:
            return False
    return True


def _value(body: Body, path: str) -> str:
    found: Any = body
    for name in path.split("."):
        found = found.get(name, {}) if isinstance(found, dict) else {}
    return str(found).strip()
