"""Raw deliveries at rest: sealed, refused where the key is gone, and no crash loop either way."""

import base64
from pathlib import Path

import asyncpg
import orjson

from tests.support.ingest_service import Ingest, running_ingest
from tests.support.ingesting import user

CANARY = "Canarynameofnobody"
KEYS = [base64.b64encode(bytes([n] * 32)).decode() for n in range(2)]


async def stored(ingest: Ingest) -> bytes:
    """The bytes of the one delivery as the database has them."""
    body: bytes = await ingest.value("SELECT body FROM sis_ingest.delivery")
    return body


async def test_the_stored_bytes_of_a_webhook_hold_no_name(ingest: Ingest) -> None:
    await ingest.send("users.upserted", user("u1", given=CANARY))
    row = await ingest.pool.fetchrow("SELECT * FROM sis_ingest.delivery")
    assert CANARY.encode() not in await stored(ingest)
    assert CANARY not in str(dict(row))
    await ingest.settled()
    assert await ingest.people() == {"u1": CANARY}


async def test_a_webhook_that_waited_while_its_key_went_is_refused_and_the_next_is_applied(
    ingest_url: str, tmp_path: Path
) -> None:
    async with running_ingest(ingest_url, tmp_path, body_keys=KEYS[:1]) as ingest:
        await ingest.send("users.upserted", user("u1"))
        await ingest.settled()
    # With nobody there who could apply it once more.
    connection = await asyncpg.connect(ingest_url)
    await connection.execute("UPDATE sis_ingest.delivery SET state = 'waiting', applied_at = NULL")
    await connection.close()
    async with running_ingest(ingest_url, tmp_path, body_keys=KEYS[1:]) as ingest:
        await ingest.settled()
        ingest.sent = 1
        await ingest.send("users.upserted", user("u2"))
        await ingest.settled()

        rows = await ingest.pool.fetch("SELECT state, reason FROM sis_ingest.delivery ORDER BY seq")
        metrics = (await ingest.http.get("/metrics")).text
        ready = await ingest.http.get("/readyz")

    assert [tuple(row) for row in rows] == [("refused", "sealed"), ("applied", "new")]
    assert 'deliveries_total{outcome="sealed",source="sis"} 1.0' in metrics
    loops = orjson.loads(ready.content)["checks"]["loops"]["loops"]
    assert loops["apply-deliveries"]["restarts"] == 0
