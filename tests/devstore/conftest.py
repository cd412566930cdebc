"""A stand-in store in this process, with a small app behind it that remembers what it was sent."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from devstore import main
from devstore.settings import Settings, load
from devstore.shop.things import Shop
from devstore.world import World
from local import supervisor

SECRET = "test-secret-test-secret-test-secret-1"
SHOP = "alice.myshopify.com"
SHARED = Path(main.__file__).resolve().parents[2] / "shared" / "shopify"


class FakeApp:
    """An ASGI app that records requests; `answer` decides what it says to webhooks."""

    def __init__(self) -> None:
        self.requests: list[tuple[Request, bytes]] = []
        self.answer: Callable[[Request], Response] = lambda _: JSONResponse({"ok": True})
        self.delay_seconds = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        body = await request.body()
        self.requests.append((request, body))
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        await self.answer(request)(scope, receive, send)

    def webhooks(self, topic: str = "") -> list[tuple[Request, bytes]]:
        return [
            (request, body)
            for request, body in self.requests
            if request.url.path == "/webhooks" and topic in {"", request.headers["x-shopify-topic"]}
        ]

    def payloads(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.webhooks(topic)]


class Store:
    """The running stand-in store: its insides, and an HTTP client of a browser."""

    def __init__(self, world: World, app: FakeApp, http: httpx.AsyncClient) -> None:
        self.world, self.app, self.http = world, app, http
        self.shop: Shop = world.state.shop(SHOP)

    async def control(self, method: str, path: str, body: object = None) -> Any:
        response = await self.http.request(method, f"/control/{path}", json=body)
        assert response.is_success, response.text
        return response.json()

    async def customer(self, first_name: str = "Bob") -> str:
        body = {
            "first_name": first_name,
            "last_name": "Buyer",
            "email": f"{first_name.lower()}@example.com",
        }
        return str((await self.control("POST", f"shops/{SHOP}/customers", body))["id"])

    async def order(self, customer_id: str | None = None, **fields: Any) -> dict[str, Any]:
        lines = fields.pop("lines", [{"title": "Mug", "price": "10.00", "quantity": 3}])
        made: dict[str, Any] = await self.control(
            "POST", f"shops/{SHOP}/orders", {"customer_id": customer_id, "lines": lines, **fields}
        )
        return made

    async def until(self, ready: Callable[[], object], seconds: float = 30) -> None:
        async with asyncio.timeout(seconds):
            while not ready():  # noqa: ASYNC110 - what is awaited knows of no event
                await asyncio.sleep(0.01)


def settings_for(directory: Path, **environ: str) -> Settings:
    return load(
        {
            "HOLDFAST_DATA": str(directory),
            "SHOPIFY_API_SECRET": SECRET,
            "APP_URL": "http://app.test",
            "DEVSTORE_DEMO": "off",
            **environ,
        }
    )


@pytest.fixture
def fake_app(monkeypatch: pytest.MonkeyPatch) -> FakeApp:
    made = FakeApp()
    plain = main.make_client

    def make_client() -> httpx.AsyncClient:
        client = plain()
        client._transport = httpx.ASGITransport(made)
        client._mounts = {}
        return client

    monkeypatch.setattr(main, "make_client", make_client)
    return made


@pytest_asyncio.fixture
async def store(fake_app: FakeApp, tmp_path: Path) -> AsyncIterator[Store]:
    app = main.make_app(settings_for(tmp_path))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://store.test") as http,
    ):
        yield Store(app.state.world, fake_app, http)


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """A supervisor with one process called redis, which only sleeps."""
    with tempfile.TemporaryDirectory(prefix="sv-") as name:
        data = Path(name)
        (data / "logs").mkdir()
        path = data / "s.sock"
        sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
        conf = supervisor.configuration(data, path, {"redis": sleeper}, {}, root=os.geteuid() == 0)
        (data / "s.conf").write_text(conf)
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "supervisor.supervisord",
            "-c",
            str(data / "s.conf"),
        ]
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield path
        finally:
            running.terminate()
            running.wait(timeout=60)
