"""Bodies of strangers: bounded in time and memory, and no trouble of anybody else's."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest

from app import db
from app.core.models import Shop
from app.errors import TooLargeError, UnavailableError
from app.web import inbound
from app.web.inbound import FREE_BYTES, Body, LateError, Room
from local import servers
from tests.conftest import SECRET
from tests.template import wait_for_port
from tests.webhook import signed_headers
from tests.workers.started import said, started

ALICE = "alice.myshopify.com"
LARGE = 5 * 1024 * 1024
SOCKETS = 200
ORDER = b'{"id": 1}'


class Sender:
    """What a server hands on of one connection: pieces, when they come."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def __call__(self) -> dict[str, object]:
        return {"type": "http.request", "body": await self.pieces.get(), "more_body": True}


async def take(body: Body, sender: Sender, count: int) -> None:
    for _ in range(count):
        await body.receive(sender)


async def test_the_first_kilobytes_of_a_body_need_no_room() -> None:
    room = Room(bytes_max=1)
    body, sender = Body(room, LARGE, "Too large."), Sender()
    sender.pieces.put_nowait(b"x" * FREE_BYTES)
    await take(body, sender, 1)
    assert room.bytes == 0


async def test_when_the_room_is_full_whoever_has_been_sending_longest_makes_room() -> None:
    room = Room(bytes_max=3 * FREE_BYTES)
    slow, sender = Body(room, LARGE, "Too large."), Sender()
    sender.pieces.put_nowait(b"x" * 3 * FREE_BYTES)
    waiting = asyncio.create_task(take(slow, sender, 2))
    await asyncio.sleep(0.01)
    assert room.bytes == 2 * FREE_BYTES
    quick, other = Body(room, LARGE, "Too large."), Sender()
    for _ in range(2):
        other.pieces.put_nowait(b"y" * 2 * FREE_BYTES)
    await take(quick, other, 2)
    with pytest.raises(UnavailableError):
        await waiting
    assert room.bytes == 3 * FREE_BYTES
    quick.leave()
    assert room.bytes == 0
    assert not room.waiting


async def test_a_body_alone_in_a_room_that_is_too_small_is_refused_itself() -> None:
    room = Room(bytes_max=FREE_BYTES)
    body, sender = Body(room, LARGE, "Too large."), Sender()
    sender.pieces.put_nowait(b"x" * 3 * FREE_BYTES)
    with pytest.raises(UnavailableError):
        await take(body, sender, 1)
    assert room.bytes == 0


async def test_a_body_that_grows_too_large_or_comes_too_late_is_refused() -> None:
    room = Room(seconds_max=0.1)
    body, sender = Body(room, 10, "Too large."), Sender()
    sender.pieces.put_nowait(b"x" * 11)
    with pytest.raises(TooLargeError, match="Too large"):
        await take(body, sender, 1)
    with pytest.raises(LateError):
        await take(Body(room, 10, "Too large."), Sender(), 1)


async def test_a_request_that_somebody_else_ends_is_ended_as_they_want() -> None:
    waiting = asyncio.create_task(take(Body(Room(), 10, "Too large."), Sender(), 1))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.fixture
async def web(stores: db.Stores, tmp_path: Path, monkeypatch) -> AsyncIterator[tuple[int, int]]:
    """The port and the process id of a web process of its own."""
    await Shop.create(domain=ALICE)
    port = servers.free_port()
    monkeypatch.setenv("PORT", str(port))
    assert os.environ["SHOPIFY_API_SECRET"] == SECRET
    with started(tmp_path, "web") as running:
        await asyncio.to_thread(wait_for_port, port)
        yield port, running["web"].pid
        assert "Traceback" not in said(tmp_path)


async def dribble(port: int, path: str, answers: list[bytes]) -> None:
    """Announce a large body, send it in pieces without end or haste, and note what is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: app\r\nContent-Length: {LARGE}\r\n"
        "Content-Type: application/json\r\nX-Shopify-Hmac-Sha256: none\r\n\r\n"
    )
    writer.write(head.encode())
    with contextlib.suppress(OSError):
        for _ in range(LARGE // 131_072 - 1):  # all but the last piece: it is never complete
            writer.write(b"x" * 131_072)
            await writer.drain()
            await asyncio.sleep(0.05)
        answers.append(await asyncio.wait_for(reader.readline(), 15))
    writer.close()


@pytest.mark.long
async def test_two_hundred_slow_giants_neither_fill_the_memory_nor_keep_a_webhook_waiting(
    web: tuple[int, int],
) -> None:
    port, process_id = web
    process = psutil.Process(process_id)
    before = process.memory_info().rss
    answers: list[bytes] = []
    giants = [asyncio.create_task(dribble(port, "/webhooks", answers)) for _ in range(SOCKETS)]
    highest, slowest, count = 0, 0.0, 0
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5) as client:
        ends = time.monotonic() + inbound.SECONDS_MAX + 3
        while time.monotonic() < ends:
            began = time.monotonic()
            headers = signed_headers(ORDER, "orders/paid", ALICE, SECRET)
            answer = await client.post("/webhooks", content=ORDER, headers=headers)
            slowest = max(slowest, time.monotonic() - began)
            assert answer.status_code == 200
            count += 1
            highest = max(highest, process.memory_info().rss)
            await asyncio.sleep(0.05)
    await asyncio.wait_for(asyncio.gather(*giants), 20)
    assert count > 20
    assert slowest < 4, "Shopify waits for five seconds"
    assert highest - before < inbound.ROOM_BYTES + 2 * SOCKETS * FREE_BYTES + 128 * 1024 * 1024
    assert {answer.split(b" ")[1] for answer in answers if answer} <= {b"408", b"503"}


async def test_sixteen_large_forms_are_refused_before_they_are_read(web: tuple[int, int]) -> None:
    port, _ = web
    answers: list[bytes] = []
    await asyncio.gather(*(dribble(port, "/customers/7/adjust", answers) for _ in range(16)))
    assert {answer.split(b" ")[1] for answer in answers} == {b"413"}
