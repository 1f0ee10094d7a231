"""A secret from our own documentation opens nothing where the door is told so."""

import httpx2
from fastapi import FastAPI

from roster_publisher.entrypoints.http.token import token_routes


async def test_a_published_secret_is_refused_before_anything_is_looked_up() -> None:
    async def must_not_be_asked(**_asked: object) -> None:
        raise AssertionError

    app = FastAPI()
    app.include_router(
        token_routes(must_not_be_asked, published=lambda secret: secret == "demo-secret")  # type: ignore[arg-type]
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
