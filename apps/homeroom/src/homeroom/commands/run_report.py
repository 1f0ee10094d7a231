"""The report of a snapshot run, for a person: what was read, what it changed, what waits and why.

Counts, codes, file names, rows and columns; a report holds no value of a file.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from homeroom.commands.tables import cell, print_table
from homeroom.display import Display
from homeroom.operator_client import Page

MOST_LINES = 20


def print_report(screen: Display, report: Page) -> None:
    """Print it; a service that reports less leaves columns empty."""
    dry = "dry run, nothing was changed: " if report.get("dryRun") else ""
    reason = f" ({report['reason']})" if report.get("reason") else ""
    screen.say(f"{dry}run {report['runId']} {report['state']}{reason}")
    screen.say(f"cause {report['correlationId']}")
    if report.get("deliveryId"):
        screen.say(f"delivery {report['deliveryId']}")
    print_table(screen, _COLUMNS, _rows(report))
    for hold in report.get("holds") or ():
        screen.bad(f"waits for a person: homeroom holds show {hold}")
    _print_findings(screen, "problem", report.get("problems") or ())
    _print_findings(screen, "warning", report.get("warnings") or ())
    _print_findings(screen, "refused", report.get("refusals") or ())


_COLUMNS = ("records", "read", "changed", "unchanged", "missing", "removed", "held", "refused")


def _rows(report: Page) -> Sequence[Sequence[object]]:
    removals = (report.get("removals") or {}).get("byEntity") or {}
    additions = (report.get("additions") or {}).get("byEntity") or {}
    rows = [
        (
            entity,
            *(counts.get(name) for name in ("read", "changed", "unchanged", "missing")),
            removals.get(entity, {}).get("applied"),
            _sum(one.get(entity, {}).get("held") for one in (removals, additions)),
            counts.get("refused"),
        )
        for entity, counts in report["counts"].items()
    ]
    total = ("all", *(_sum(row[n] for row in rows) for n in range(1, len(_COLUMNS))))
    return [*rows, total]


def _sum(values: Any) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _print_findings(screen: Display, word: str, findings: Sequence[Mapping[str, Any]]) -> None:
    for finding in findings[:MOST_LINES]:
        known = {name: value for name, value in finding.items() if value is not None}
        screen.say(f"{word}: {cell(known)}")
    if len(findings) > MOST_LINES:
        screen.say(f"{word}: {MOST_LINES} of {len(findings):,} are shown; --json shows all")
