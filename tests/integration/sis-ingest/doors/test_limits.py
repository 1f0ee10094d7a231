"""Limits: a source may have its own, and people under other ids are counted and warned of."""

from pathlib import Path

from tests.support.holding import holds, one_class, roster
from tests.support.ingest_service import Ingest, running_ingest
from tests.support.ingesting import district, keyed_row


async def test_a_source_has_limits_of_its_own_and_its_holds_show_them(
    ingest_url: str, tmp_path: Path
) -> None:
    limits = {"user.remove": {"count": 1, "share": 0.1}}
    sources = [{"id": "files", "district": "d1", "limits": limits}, {"id": "sis", "district": "d2"}]
    async with running_ingest(ingest_url, tmp_path, sources=sources) as ingest:
        for source in ("files", "sis"):
            await ingest.load(roster(*range(20)), source=source)
            await ingest.load(roster(*range(15)), source=source)
        (hold,) = (await holds(ingest))["holds"]

    assert (hold["source"], hold["count"]) == ("files", 5)
    assert (hold["limit"], hold["limitPercent"]) == (2, 10.0)


async def test_a_few_people_under_new_ids_are_counted_and_not_warned_of(ingest: Ingest) -> None:
    rows = [tuple(keyed_row(f"u{n}", f"no-{n}")) for n in range(150)]
    await ingest.load(district(rows, one_class(*range(3))))
    rows[10:14] = [tuple(keyed_row(f"k{n}", f"no-{n}")) for n in range(10, 14)]

    report = await ingest.load(district(rows, one_class(*range(3))))

    assert report["keyChanges"] == 4
    assert "many_key_changes" not in {warning["code"] for warning in report["warnings"]}
