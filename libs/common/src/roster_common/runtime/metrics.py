"""The one closed list of metrics. No metric is made at the call site and no label is free text.

A label holds a value from its closed set, or a name that the code or the configuration gives
(topic, group, route template): never an id of a person, never a raw path.
`python -m roster_common.runtime.metrics` prints the table for the docs.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from roster_common.errors import Fatal

Kind = Literal["counter", "gauge", "histogram"]

# Label values given by code or configuration, and so few; the comment of each says by whom.
_BY_CODE: frozenset[str] = frozenset()
OTHER = "other"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """One metric. A label with an empty set takes names given by code or configuration."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    labels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    buckets: tuple[float, ...] = _SECONDS


METRICS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="http_requests_total",
        kind="counter",
        unit="requests",
        meaning="Requests answered, by route template",
        labels={"method": _METHODS, "route": _BY_CODE, "status": _BY_CODE},
    ),
    MetricSpec(
        name="http_request_seconds",
        kind="histogram",
        unit="seconds",
        meaning="Time from the first byte in to the last byte out",
        labels={"method": _METHODS, "route": _BY_CODE},
    ),
    MetricSpec(
        name="log_append_events_total",
        kind="counter",
        unit="events",
        meaning="Events appended to the log and committed",
        labels={"topic": _BY_CODE},
    ),
    MetricSpec(
        name="log_relay_lag_events",
        kind="gauge",
        unit="events",
        meaning="Events on the log that the relay has not published yet",
        labels={"topic": _BY_CODE},
    ),
    MetricSpec(
        name="log_relay_restarts_total",
        kind="counter",
        unit="restarts",
        meaning="Times the relay threw its producer away and made a new one",
    ),
    MetricSpec(
        name="log_consumer_lag_events",
        kind="gauge",
        unit="events",
        meaning="Events a consumer group has not taken yet",
        labels={"group": _BY_CODE, "topic": _BY_CODE},
    ),
    MetricSpec(
        name="log_consumer_oldest_seconds",
        kind="gauge",
        unit="seconds",
        meaning="Age of the oldest event a consumer group has not taken",
        labels={"group": _BY_CODE, "topic": _BY_CODE},
    ),
    MetricSpec(
        name="log_consumer_outcomes_total",
        kind="counter",
        unit="events",
        meaning="What became of the events a consumer read",
        labels={
            "group": _BY_CODE,
            "outcome": frozenset({"handled", "repeated", "retried", "dead_letter", "fenced"}),
        },
    ),
    MetricSpec(
        name="dead_letters_total",
        kind="counter",
        unit="events",
        meaning="Events set aside because they can never succeed; reasons are codes",
        labels={"group": _BY_CODE, "reason": _BY_CODE},
    ),
    MetricSpec(
        name="retention_blocked_partitions",
        kind="gauge",
        unit="partitions",
        meaning="Daily partitions past retention that a slow consumer group still needs",
    ),
    MetricSpec(
        name="outgoing_requests_total",
        kind="counter",
        unit="attempts",
        meaning="Calls to outside systems, one per attempt",
        labels={
            "host_name": _BY_CODE,
            "outcome": frozenset(
                {
                    "ok",
                    "client_error",
                    "throttled",
                    "server_error",
                    "timeout",
                    "unreachable",
                    "too_large",
                    "breaker_open",
                }
            ),
        },
    ),
    MetricSpec(
        name="outgoing_request_seconds",
        kind="histogram",
        unit="seconds",
        meaning="Time of one attempt at an outside system",
        labels={"host_name": _BY_CODE},
    ),
    MetricSpec(
        name="breaker_open",
        kind="gauge",
        unit="origins",
        meaning="Outside addresses that are not called now because they kept failing",
        labels={"host_name": _BY_CODE},
    ),
    MetricSpec(
        name="identity_matches_total",
        kind="counter",
        unit="records",
        meaning="Outside ids not seen before whose record met one we know, by rule",
        labels={
            "outcome": frozenset(
                {"same_state_id", "same_local_id", "same_legacy_id", "same_email", "conflict"}
            )
        },
    ),
    MetricSpec(
        name="deliveries_total",
        kind="counter",
        unit="deliveries",
        meaning="Deliveries from outside, by what became of them",
        labels={
            "source": _BY_CODE,
            "outcome": frozenset(
                {"accepted", "duplicate", "refused", "invalid", "unauthenticated", "sealed"}
            ),
        },
    ),
    MetricSpec(
        name="drop_looks_total",
        kind="counter",
        unit="looks",
        meaning="Looks at folders where districts leave files, by what was met",
        labels={
            "source": _BY_CODE,
            "outcome": frozenset(
                {
                    "ok",
                    "unreachable",
                    "timed_out",
                    "login_refused",
                    "no_key",
                    "host_key_changed",
                    "no_folder",
                    "not_allowed",
                    "changed_while_read",
                    "too_large",
                    "not_moved",
                    "failed",
                }
            ),
        },
    ),
    MetricSpec(
        name="drop_files_taken_total",
        kind="counter",
        unit="snapshots",
        meaning="Snapshots made of files that districts left in folders",
        labels={"source": _BY_CODE},
    ),
    MetricSpec(
        name="raw_purged_total",
        kind="counter",
        unit="deliveries",
        meaning="Raw bodies and files forgotten when their time was over, and files without a run",
        labels={"kind": frozenset({"body", "file", "pull", "stray"})},
    ),
    MetricSpec(
        name="source_last_success_seconds",
        kind="gauge",
        unit="Unix time",
        meaning="When a source was last heard of with success: a delivery that was applied",
        labels={"source": _BY_CODE},
    ),
    MetricSpec(
        name="sync_actions_total",
        kind="counter",
        unit="actions",
        meaning="Actions on directories, by what became of them",
        labels={
            "target": _BY_CODE,
            "action": _BY_CODE,
            "outcome": frozenset({"done", "unchanged", "held", "retried", "failed"}),
        },
    ),
    MetricSpec(
        name="export_last_success_seconds",
        kind="gauge",
        unit="Unix time",
        meaning="When a vendor's files by schedule were last up to date",
        labels={"client": _BY_CODE, "export": _BY_CODE},
    ),
    MetricSpec(
        name="webhook_calls_total",
        kind="counter",
        unit="calls",
        meaning="Calls that told vendors what changed; stopped is the last one for good",
        labels={
            "client": _BY_CODE,
            "outcome": frozenset({"taken", "not_taken", "stopped"}),
        },
    ),
    MetricSpec(
        name="audit_entries_total",
        kind="counter",
        unit="entries",
        meaning="Entries of the audit of what vendors pulled; dropped ones did not fit in memory, "
        "refused ones no table can hold",
        labels={"outcome": frozenset({"written", "dropped", "refused"})},
    ),
    MetricSpec(
        name="vendor_requests_refused_total",
        kind="counter",
        unit="requests",
        meaning="Requests of vendors beyond their pace, answered with 429",
        labels={"door": frozenset({"reads", "packages", "token", "token_failures"})},
    ),
    MetricSpec(
        name="pulls_total",
        kind="counter",
        unit="pulls",
        meaning="Pulls of sources, by how they ended",
        labels={
            "source": _BY_CODE,
            "mode": frozenset({"full", "delta"}),
            "outcome": frozenset({"completed", "failed"}),
        },
    ),
    MetricSpec(
        name="source_tokens_total",
        kind="counter",
        unit="requests",
        meaning="Requests for a token of a source, by the status of the answer",
        labels={"source": _BY_CODE, "outcome": _BY_CODE},
    ),
    MetricSpec(
        name="run_records_total",
        kind="counter",
        unit="records",
        meaning="Records of runs (snapshots, pulls, reconciles), by what became of them",
        labels={
            "entity": _BY_CODE,
            "outcome": frozenset(
                {"read", "changed", "unchanged", "refused", "missing", "held", "removed", "skipped"}
            ),
        },
    ),
    MetricSpec(
        name="loop_running",
        kind="gauge",
        unit="0 or 1",
        meaning="Whether a background loop is running",
        labels={"loop": _BY_CODE},
    ),
    MetricSpec(
        name="loop_failures_total",
        kind="counter",
        unit="failures",
        meaning="Times a background loop, or one piece of its work, ended with an error, by road",
        labels={"loop": _BY_CODE, "road": frozenset({"retriable", "unexpected", "fatal"})},
    ),
)


class Series:
    """One metric with its labels filled in."""

    __slots__ = ("_child",)

    def __init__(self, child: Counter | Gauge | Histogram) -> None:
        self._child = child

    def inc(self, amount: float = 1.0) -> None:
        """Add to a counter or gauge."""
        if isinstance(self._child, Histogram):
            raise Fatal(_WRONG_KIND)
        self._child.inc(amount)

    def set(self, value: float) -> None:
        """Set a gauge."""
        if not isinstance(self._child, Gauge):
            raise Fatal(_WRONG_KIND)
        self._child.set(value)

    def observe(self, value: float) -> None:
        """Add one measurement to a histogram."""
        if not isinstance(self._child, Histogram):
            raise Fatal(_WRONG_KIND)
        self._child.observe(value)


_WRONG_KIND = "this kind of metric cannot do that"


class Metric:
    """One metric of the list. `labels` keeps what it made, which is little: the sets are closed."""

    def __init__(self, spec: MetricSpec, registry: CollectorRegistry) -> None:
        self.spec = spec
        self._parent = _make(spec, registry)
        self._series: dict[tuple[str, ...], Series] = {}

    def labels(self, **labels: str) -> Series:
        """Give the series of these labels.

        A value outside a closed set is counted as "other", so that a surprise from outside can
        neither fail the work nor grow the list. Raises Fatal when the label names are wrong.
        """
        if labels.keys() != self.spec.labels.keys():
            message = f"metric {self.spec.name} takes the labels {sorted(self.spec.labels)}"
            raise Fatal(message)
        values = tuple(
            labels[name] if not allowed or labels[name] in allowed else OTHER
            for name, allowed in self.spec.labels.items()
        )
        series = self._series.get(values)
        if series is None:
            series = Series(self._parent.labels(*values) if values else self._parent)
            self._series[values] = series
        return series


def _make(spec: MetricSpec, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    names = tuple(spec.labels)
    match spec.kind:
        case "counter":
            return Counter(spec.name, spec.meaning, names, registry=registry)
        case "gauge":
            return Gauge(spec.name, spec.meaning, names, registry=registry)
        case "histogram":
            return Histogram(
                spec.name, spec.meaning, names, registry=registry, buckets=spec.buckets
            )


REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
_BY_NAME: Mapping[str, Metric] = MappingProxyType(
    {spec.name: Metric(spec, REGISTRY) for spec in METRICS}
)


def metric(name: str) -> Metric:
    """Give the metric called `name`. Raises Fatal for a name that the list does not hold."""
    try:
        return _BY_NAME[name]
    except KeyError:
        message = f"no metric is called {name}"
        raise Fatal(message) from None


def sample(name: str, **labels: str) -> float:
    """Give a series' present value, 0.0 if it was never touched. For status pages and tests."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def render() -> tuple[bytes, str]:
    """Give the page for Prometheus and its media type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST


def table() -> str:
    """Give the list as a Markdown table, sorted by name."""
    rows = ["| metric | kind | unit | labels | meaning |", "| --- | --- | --- | --- | --- |"]
    for spec in sorted(METRICS, key=lambda one: one.name):
        labels = "; ".join(
            f"{name} ({', '.join(sorted(allowed))})" if allowed else name
            for name, allowed in spec.labels.items()
        )
        rows.append(f"| `{spec.name}` | {spec.kind} | {spec.unit} | {labels} | {spec.meaning} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
