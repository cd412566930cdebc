"""A webhook in one piece is answered by the protocol, and nobody can tell."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app import config as settings
from local.servers import free_port
from tests.conftest import SECRET, Servers, wait_for_port
from tests.paused import paused
from tests.webhook import signed_headers

ALICE = "alice.myshopify.com"
SOON_SECONDS = 5.0


pytestmark = pytest.mark.usefixtures("stores")


@contextmanager
def started(embedded: Servers) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.web"],
        cwd=settings.ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **embedded.environment, "PORT": str(port)},
    )
    try:
        wait_for_port(port)
        yield process, port
    finally:
        process.kill()
        process.wait(timeout=10)


@pytest.fixture(scope="module")
def web(embedded: Servers) -> Iterator[int]:
    """The port of one web process for all tests; who ends one starts one."""
    with started(embedded) as (_, port):
        yield port


def request(number: int, body: bytes = b'{"id": 1}', **changed: str | None) -> bytes:
    """A signed webhook as its bytes; `changed` headers by their names, None to leave one out."""
    headers = {
        "Host": "holdfast",
        "Content-Length": str(len(body)),
        **signed_headers(body, "orders/paid", ALICE, SECRET, f"w{number}"),
        "X-Request-Id": f"delivery-{number}",
    }
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join(["POST /webhooks HTTP/1.1", *lines, "", ""]).encode() + body


def connected(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=SOON_SECONDS)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def answered(connection: socket.socket, answers: int = 1) -> list[str]:
    """The next answers on a connection, each without its date."""
    reader = connection.makefile("rb")
    found = []
    for _ in range(answers):
        head = []
        while (line := reader.readline().decode().strip()) != "":
            head.append(line)
        length = next(int(one.split(":")[1]) for one in head if one.startswith("content-length"))
        body = reader.read(length).decode()
        kept = sorted(one for one in head[1:] if not one.startswith("date:"))
        found.append("\n".join([head[0], *kept, "", body]))
    return found


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, 200),
        ({"Connection": "close"}, 200),
        ({"X_Shopify_Hmac_Sha256": "bm90IHRoZSBkaWdlc3Q="}, 401),
        ({"X_Shopify_Topic": None}, 400),
        ({"X_Shopify_Shop_Domain": "alice.example.com"}, 400),
        ({"x_shopify_shop_domain": "other.myshopify.com"}, 400),
    ],
)
def test_in_one_piece_or_in_two_a_webhook_gets_the_same_answer(web, changed, status) -> None:
    whole, halves = request(1, **changed), request(1, **changed)
    with connected(web) as one:
        one.sendall(whole)
        short = answered(one)
    with connected(web) as other:
        other.sendall(halves[:-4])
        time.sleep(0.05)
        other.sendall(halves[-4:])
        long = answered(other)
    assert short == long
    assert short[0].startswith(f"HTTP/1.1 {status} ")


def test_a_webhook_may_be_cut_anywhere(web) -> None:
    sent = request(1)
    for cut in range(1, len(sent), 7):
        with connected(web) as connection:
            connection.sendall(sent[:cut])
            time.sleep(0.002)
            connection.sendall(sent[cut:])
            assert answered(connection)[0].startswith("HTTP/1.1 200 OK")


def test_pipelined_requests_are_answered_in_their_order(web) -> None:
    healthy = b"GET /healthz HTTP/1.1\r\nHost: holdfast\r\n\r\n"
    bad = request(3, X_Shopify_Hmac_Sha256="bm90IHRoZSBkaWdlc3Q=")
    with connected(web) as connection:
        connection.sendall(request(1) + request(2) + healthy + bad + request(4))
        found = answered(connection, 5)
    assert [one.split(" ")[1] for one in found] == ["200", "200", "200", "401", "200"]
    ids = [line for one in found for line in one.splitlines() if line.startswith("x-request-id")]
    assert [one.split(": ")[1] for one in ids if "delivery" in one] == [
        "delivery-1",
        "delivery-2",
        "delivery-3",
        "delivery-4",
    ]


def test_who_expects_to_be_told_to_go_on_is_told(web) -> None:
    sent = request(1, Expect="100-continue")
    head, _, body = sent.partition(b"\r\n\r\n")
    with connected(web) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert answered(connection)[0].startswith("HTTP/1.1 200 OK")


async def test_who_hangs_up_before_the_answer_disturbs_nobody_and_is_stored(web, stores) -> None:
    for number in range(20):
        with connected(web) as connection:
            connection.sendall(request(number))
    deadline = time.monotonic() + SOON_SECONDS
    while await stores.queue.llen(f"lane:{ALICE}") < 20:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    with connected(web) as connection:
        connection.sendall(request(99))
        assert answered(connection)[0].startswith("HTTP/1.1 200 OK")


def test_a_webhook_on_its_way_to_the_store_is_answered_before_the_process_ends(embedded) -> None:
    with started(embedded) as (process, port):
        with connected(port) as connection:
            with paused(embedded.redis_port):
                connection.sendall(request(1))
                time.sleep(0.3)
                process.send_signal(signal.SIGTERM)
                time.sleep(0.3)
            found = answered(connection)
        assert found[0].startswith("HTTP/1.1 200 OK")
        assert "connection: close" in found[0]
        assert process.wait(timeout=8) == 0
