"""A secret from our own documentation opens nothing where the door is told so."""

import httpx2
from fastapi import FastAPI

from roster_common.testkit.clock import FixedClock
from roster_publisher.domain.pacing import Pace
from roster_publisher.entrypoints.http.token import token_routes
from roster_publisher.usecases.pace_callers import PaceCallers, PaceTokens


async def test_a_published_secret_is_refused_before_anything_is_looked_up() -> None:
    async def must_not_be_asked(**_asked: object) -> None:
        raise AssertionError

    plenty = PaceCallers(Pace(rate=100, burst=100), FixedClock())
    app = FastAPI()
    app.include_router(
        token_routes(
            must_not_be_asked,  # type: ignore[arg-type]
            published=lambda secret: secret == "demo-secret",
            pace=PaceTokens(plenty, plenty),
        )
    )
    form = {
        "grant_type": "client_credentials",
        "client_id": "demo-vendor",
        "client_secret": "demo-secret",
    }
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://test"
    ) as client:
        answer = await client.post("/oauth2/token", data=form)

    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
