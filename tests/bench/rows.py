"""Every row of the table: its name in the file, its words, its unit and what stands beside it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`beside` names the raw figure of the same run that `key` is divided by."""

    key: str
    title: str
    unit: str
    beside: str | None = None
    beside_title: str = ""


def _append() -> list[Row]:
    rows = []
    for writers, words in ((1, "1 writer"), (4, "4 writers")):
        rows += [
            Row(
                key=f"append.single.{writers}",
                title=f"append, single commits, {words}",
                unit="events/s",
                beside=f"copy.single.{writers}",
                beside_title="COPY, single",
            ),
            Row(
                key=f"append.batch.{writers}",
                title=f"append, commits of 100, {words}",
                unit="events/s",
                beside=f"copy.batch.{writers}",
                beside_title="COPY, commits of 100",
            ),
        ]
    return [
        *rows,
        Row(
            key="append.single.4.hot",
            title="same, 4 writers of one district",
            unit="events/s",
            beside="copy.single.4",
            beside_title="COPY, single",
        ),
        Row(key="copy.bulk", title="(COPY, commits of 10,000)", unit="rows/s"),
    ]


def _latency() -> list[Row]:
    rows = []
    for road, words in (("postgres", "PostgreSQL"), ("kafka", "Kafka")):
        rows.append(
            Row(
                key=f"latency.{road}.rate",
                title=f"latency, {words}: kept up",
                unit="events/s",
            )
        )
        for what, until in (("handled", "handled"), ("committed", "committed")):
            rows += [
                Row(
                    key=f"latency.{road}.{what}.p{percent}",
                    title=f"latency, {words}: {until} p{percent}",
                    unit="ms",
                )
                for percent in (50, 99)
            ]
    return rows


def _read() -> list[Row]:
    """15,000 students, 100,000 enrolments; a fifth of it with `--quick`."""
    rows = [
        Row(
            key=f"read.{what}.{connections}",
            title=f"{words}, {connections} connection{'s' if connections > 1 else ''}",
            unit="requests/s",
            beside=f"read.yardstick.{connections}",
            beside_title="bare ASGI yardstick",
        )
        for what, words in (("page", "/users?limit=100"), ("single", "/users/{id}"))
        for connections in (1, 8)
    ]
    return [
        *rows,
        Row(
            key="read.school.page.1",
            title="/users?limit=100 of a grant of one school, 1 connection",
            unit="requests/s",
            beside="read.page.1",
            beside_title="whole district",
        ),
        Row(key="read.pull", title="100,000 enrolments by 1,000", unit="s"),
        Row(key="read.deep.first", title="enrolments, limit 100: first page", unit="ms"),
        Row(key="read.deep.continued", title="same at offset 99,900, continued", unit="ms"),
        Row(key="read.deep.ratio", title="continued page at the end / first page", unit="times"),
        Row(key="read.deep.jump", title="same at offset 99,900, jumped to", unit="ms"),
        Row(key="read.deep.counted", title="same, jumped to and counted", unit="ms"),
    ]


def _whole() -> list[Row]:
    """15,000 students; 500 with `--quick`, whose distances then say nothing."""
    titles = (
        ("whole.firstload.read", "first load: read and on the log", "s"),
        ("whole.firstload.visible", "first load: visible to a vendor", "s"),
        ("whole.firstload.accounts", "first load: an account for everybody", "s"),
        ("whole.firstload.memory", "first load: memory, the service that grows most", "MB"),
        ("whole.unchanged", "same file, shuffled and zipped anew", "s"),
        ("whole.changed", "1 % of users changed", "s"),
        ("whole.changed.surplus", "1 % of users changed: rows told beyond those", "rows"),
        ("whole.visible.p50", "webhook to vendor's page, 200/s, p50", "ms"),
        ("whole.visible.p99", "webhook to vendor's page, 200/s, p99", "ms"),
        ("whole.directory.p50", "webhook to directory, 5/s, p50", "ms"),
        ("whole.directory.p99", "webhook to directory, 5/s, p99", "ms"),
        ("whole.streaming.memory", "all enrolments in one page, fresh publisher: memory", "MB"),
    )
    return [Row(key=key, title=title, unit=unit) for key, title, unit in titles]


def _snapshot() -> list[Row]:
    """100,000 students in a package, 15,000 in a pull; `--students` and `--quick` say other sizes."""
    roads = (("snapshot", "package"), ("pull", "pull"))
    loads = (("first", "first load"), ("again", "unchanged"))
    figures = (
        ("rate", "rows", "rows/s"),
        ("read", "until all is read", "s"),
        ("apply", "from there to the end", "s"),
        ("memory", "memory of sis-ingest", "MB"),
    )
    return [
        Row(key=f"{road}.{load}.{figure}", title=f"{words}, {of}: {what}", unit=unit)
        for road, words in roads
        for load, of in loads
        for figure, what, unit in figures
    ]


def _publish() -> list[Row]:
    """60 schools, one process; the field policies of vendors cost a write nothing."""
    return [
        Row(
            key="publish.first",
            title="publish, batches of 500, first load",
            unit="events/s",
            beside="publish.copy",
            beside_title="COPY, commits of 500",
        ),
        Row(key="publish.changed", title="publish, every record changed", unit="events/s"),
        Row(
            key="publish.grown",
            title="same, the store 10 times as large",
            unit="events/s",
            beside="publish.changed",
            beside_title="before it grew",
        ),
        Row(key="derive.people", title="derive people, first load", unit="people/s"),
        Row(key="derive.classes", title="derive classes, first load", unit="classes/s"),
    ]


def _scopes() -> list[Row]:
    """The same events under other grants; whoever has few is beside."""
    rows = []
    for what, words in (("first", "first load"), ("changed", "every record changed, some move")):
        few = f"scopes.{what}.few"
        rows.append(Row(key=few, title=f"publish, 10 grants of schools, {words}", unit="events/s"))
        for row, grants in (("many", "1,000 grants of them"), ("rules", "200 rules besides")):
            rows.append(
                Row(
                    key=f"scopes.{what}.{row}",
                    title=f"same, {grants}",
                    unit="events/s",
                    beside=few,
                    beside_title="10 grants",
                )
            )
    return rows


def _below() -> list[Row]:
    """Sub-collections and the change feed, at one connection."""
    titles = (
        ("read.below.class.1", "/classes/{id}/students, 1 connection"),
        ("read.below.person.1", "/users/{id}/classes, 1 connection"),
        ("read.below.school.1", "/schools/{id}/enrollments?limit=100, 1 connection"),
        ("feed.page.1", "/changes?limit=100, 1 connection"),
        ("feed.poll.1", "/changes, nothing new, 1 connection"),
        ("feed.school.1", "same, of a grant of one school"),
    )
    rows = [
        Row(
            key=key,
            title=title,
            unit="requests/s",
            beside="read.yardstick.1",
            beside_title="bare ASGI yardstick",
        )
        for key, title in titles
    ]
    return [
        *rows,
        Row(
            key="read.below.scoped.1",
            title="/classes/{id}/students of a grant of one school",
            unit="requests/s",
            beside="read.below.class.1",
            beside_title="whole district",
        ),
        Row(key="feed.whole", title="the whole feed by 1,000", unit="changes/s"),
    ]


def _package() -> list[Row]:
    """One vendor at a time; 5 schools, 2 with `--quick`."""
    return [
        Row(
            key="package.bulk",
            title="CSV package, bulk, whole district",
            unit="records/s",
            beside="package.copy",
            beside_title="COPY of the same",
        ),
        Row(
            key="package.school",
            title="same, of a grant of one school",
            unit="records/s",
            beside="package.bulk",
            beside_title="whole district",
        ),
    ]


def _tell() -> list[Row]:
    """One vendor is told by webhook."""
    return [
        Row(
            key="tell.calls",
            title="webhooks of 100 changes, the whole view, one vendor",
            unit="calls/s",
            beside="tell.bare",
            beside_title="bare client",
        ),
        Row(key="tell.changes", title="same: changes told", unit="changes/s"),
        Row(
            key="tell.delay.p50",
            title="change on the log to webhook, one at a time: p50",
            unit="ms",
        ),
        Row(key="tell.delay.p99", title="same: p99", unit="ms"),
    ]


ROWS = (
    *_append(),
    Row(
        key="consume.postgres",
        title="consume, PostgreSQL, batches of 500",
        unit="events/s",
        beside="select",
        beside_title="bare SELECT of 500",
    ),
    Row(
        key="consume.kafka",
        title="consume, Kafka, batches of 500",
        unit="events/s",
        beside="getmany",
        beside_title="getmany, commit",
    ),
    *_publish(),
    *_scopes(),
    Row(
        key="relay",
        title="relay, PostgreSQL to Kafka",
        unit="events/s",
        beside="producer",
        beside_title="idempotent producer",
    ),
    *_latency(),
    Row(
        key="accept.saturated",
        title="webhook accept, 16 connections",
        unit="deliveries/s",
        beside="accept.yardstick",
        beside_title="bare ASGI yardstick",
    ),
    Row(key="accept.paced.p50", title="webhook accept at 300/s: p50", unit="ms"),
    Row(key="accept.paced.p99", title="webhook accept at 300/s: p99", unit="ms"),
    *_read(),
    *_below(),
    *_package(),
    *_tell(),
    Row(key="http.yardstick.1", title="bare ASGI yardstick, 1 connection", unit="requests/s"),
    Row(key="http.yardstick.8", title="bare ASGI yardstick, 8 connections", unit="requests/s"),
    *_whole(),
    *_snapshot(),
)
