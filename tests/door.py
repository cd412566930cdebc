"""The door of webhooks alone, asked directly, and what is behind it."""

from contextlib import asynccontextmanager

import httpx2

from app import db, webhooks
from app.flow.lanes import lane
from app.flow.lanes.admission import Admission
from tests.conftest import SECRET
from tests.webhook import signed_headers

ALICE = "alice.myshopify.com"
BODY = b'{"id": 1}'


@asynccontextmanager
async def client_of(stores: db.Stores):
    async def with_state(scope, receive, send):
        # what uvicorn does with what the lifespan yields
        await webhooks.endpoint({**scope, "state": {"admission": Admission(stores)}}, receive, send)

    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(with_state), base_url="http://app"
    ) as client:
        yield client


def headers(body: bytes = BODY, secret: str = SECRET, **changes: str | None) -> dict[str, str]:
    found = {
        **signed_headers(body, "orders/paid", ALICE, secret, "w1"),
        **{k.replace("_", "-"): v for k, v in changes.items()},
    }
    return {name: value for name, value in found.items() if value is not None}


async def waiting(stores: db.Stores, shop: str = ALICE) -> list[lane.LaneItem]:
    return [lane.decode_item(raw) for raw in await stores.queue.lrange(f"lane:{shop}", 0, -1)]


def error(answer) -> tuple[int, str]:
    found = answer.json()["error"]
    assert found["message"].endswith(".")
    return answer.status_code, found["code"]


async def kept(stores) -> list[bytes]:
    """What is in Redis, but for a drain that a webhook of the test before may have booked late."""
    return [key for key in await stores.queue.keys("*") if not key.startswith(b"arq:")]
