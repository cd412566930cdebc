"""What strangers send to the router: the same shop has the same release however it is written, who
asks is told to web as it is, and nothing makes the router itself fail.
"""

import asyncio
import base64
import contextlib
import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import jwt
import pytest

from app.config import ROOT
from app.rings import bucket_of
from local import servers
from ops.canary.router import Router
from tests.operate.parts import needed
from tests.operate.webs import webs
from tests.waiting import wait_for

pytestmark = pytest.mark.operate

SHARE = 5_000
NAMES = [f"shop-{number}.myshopify.com" for number in range(40)]
OURS = next(one for one in NAMES if bucket_of(one) < SHARE)  # the canary has it
OTHER = next(one for one in NAMES if bucket_of(one) >= SHARE)
SECRET = "a-secret-of-the-test-0123456789-abcdef"


class Place(NamedTuple):
    url: str
    port: int
    router: Router
    proxies: Path
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    needed("haproxy")
    loop = asyncio.new_event_loop()
    standing = webs()
    ports = loop.run_until_complete(standing.__aenter__())
    thread = asyncio.run_coroutine_threadsafe
    running = threading.Thread(target=loop.run_forever)
    running.start()
    with tempfile.TemporaryDirectory(prefix="hf-") as name:
        folder = Path(name)
        (folder / "pins.map").touch()
        (folder / "proxies").touch()
        port, metrics = servers.free_port(), servers.free_port()
        process = subprocess.Popen(
            ["haproxy", "-W", "-db", "-f", "ops/haproxy/haproxy.cfg"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={
                **os.environ,
                "ROUTER_BIND": f"127.0.0.1:{port}",
                "ROUTER_METRICS": f"127.0.0.1:{metrics}",
                "ROUTER_SOCKET": str(folder / "s"),
                "ROUTER_PINS": str(folder / "pins.map"),
                "ROUTER_PROXIES": str(folder / "proxies"),
                "STABLE_1": f"127.0.0.1:{ports['stable']}",
                "STABLE_2": f"127.0.0.1:{ports['stable']}",
                "CANARY": f"127.0.0.1:{ports['canary']}",
            },
        )
        try:
            wait_for("the router", lambda: servers.is_listening(port), 20)
            router = Router(folder / "s", folder / "pins.map")
            router.give(SHARE)
            yield Place(f"http://127.0.0.1:{port}", port, router, folder / "proxies", process)
        finally:
            process.terminate()
            process.wait(20)
            thread(standing.__aexit__(None, None, None), loop).result(20)
            loop.call_soon_threadsafe(loop.stop)
            running.join(20)
            loop.close()


@pytest.fixture
def client(place: Place) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=place.url, timeout=20) as made:
        yield made


def token(dest: object) -> str:
    return jwt.encode({"dest": dest, "sub": "gid://shopify/Customer/1"}, SECRET, "HS256")


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def asked(shop: str, other: str) -> list[tuple[str, str, dict[str, object]]]:
    """Every way in which something of `shop` comes, with what disagrees beside it."""
    dest, host = token(f"https://{shop}"), base64.b64encode(b"admin.shopify.com/store/x").decode()
    header, params = {"X-Shopify-Shop-Domain": shop}, {"shop": shop}
    flow = json.dumps({"shopify_domain": shop}).encode()
    handle = shop.removesuffix(".myshopify.com")
    return [
        ("POST", "/webhooks", {"headers": header}),
        ("POST", "/webhooks", {"headers": {"X-SHOPIFY-SHOP-DOMAIN": shop.upper()}}),
        ("POST", f"/webhooks?shop={other}", {"headers": header | bearer(token(other))}),
        ("GET", "/", {"params": params}),
        ("GET", "/", {"params": {"shop": shop.upper()}}),
        ("GET", f"/?x=1&shop={shop.replace('.', '%2E')}", {}),
        ("GET", "/", {"params": params | {"host": host, "embedded": "1"}}),
        ("GET", "/", {"params": {"id_token": dest}}),
        ("GET", "/", {"params": {"id_token": dest, "shop": other}}),
        ("GET", "/customers", {"headers": bearer(dest)}),
        ("GET", "/customers", {"headers": {"Authorization": f"bearer {dest}"}}),
        ("GET", f"/customers?shop={other}", {"headers": bearer(dest)}),
        # a stranger's header says nothing where web does not read it
        ("GET", "/", {"params": params, "headers": {"X-Shopify-Shop-Domain": other}}),
        ("GET", "/", {"headers": bearer(dest) | {"X-Shopify-Shop-Domain": other}}),
        # the checkout's token has no scheme
        ("GET", "/checkout/me", {"headers": bearer(token(shop))}),
        ("OPTIONS", "/checkout/me", {"params": params}),
        # the app proxy: Shopify's own parameter comes after what a shopper made up
        (
            "GET",
            f"/storefront/me?a=1;shop={other}&shop={shop}&path_prefix=%2Fapps%2Fx&signature=0",
            {},
        ),
        ("GET", f"/storefront/me?shop={other}&shop={shop}&signature=0", {}),
        ("POST", "/api/v1/actions", {"headers": bearer(f"hfk_{handle}_a_b-c")}),
        ("POST", "/api/v1/flow/actions", {"content": flow}),
    ]


@pytest.mark.parametrize(
    ("shop", "other", "track"), [(OURS, OTHER, "canary"), (OTHER, OURS, "stable")]
)
def test_a_shop_has_one_release_however_it_comes(
    client: httpx.Client, shop: str, other: str, track: str
) -> None:
    ways = asked(shop, other)
    found = [client.request(method, path, **options) for method, path, options in ways]
    wrong = [way for way, one in zip(ways, found, strict=True) if one.headers["x-track"] != track]
    assert wrong == []


def test_what_names_no_shop_is_stables(client: httpx.Client, place: Place) -> None:
    place.router.give(10_000)  # even where the canary has every shop
    try:
        for path, headers in [
            ("/", {}),
            ("/?shop=", {}),
            ("/?shop=nothing", {}),
            (f"/?shop={OURS}.", {}),
            (f"/?shop={OURS}:443", {}),
            (f"/?shop=%00{OURS}", {}),
            (f"/?shop=x/{OURS}", {}),
            (f"/?shopp={OURS}", {}),
            ("/", bearer("a.b.c")),
            ("/", bearer("..")),
            ("/", bearer(token(None))),
            ("/", bearer(token({"a": 1}))),
            ("/", bearer(token([1]))),
            ("/", bearer("hfk_")),
            ("/", bearer("x" * 40_000)),
            ("/", {"Authorization": f"Basic {token(OURS)}"}),
            ("/", {"X-Shopify-Shop-Domain": OURS}),
            ("/webhooks", {}),
            (f"/webhooks?shop={OURS}", {}),
        ]:
            answer = client.get(path, headers=headers)
            assert answer.status_code == 200, path
            assert answer.headers["x-track"] == "stable", (path, headers)
    finally:
        place.router.give(SHARE)


def test_web_is_told_who_asks_and_how(client: httpx.Client) -> None:
    """The last address is the one the router itself has seen."""

    def said(name: str, **headers: str) -> list[str]:
        answer = client.get("/", headers={key.replace("_", "-"): v for key, v in headers.items()})
        return [value for key, value in answer.json()["headers"] if key.lower() == name]

    assert said("x-forwarded-for") == ["127.0.0.1"]
    assert said("x-forwarded-for", x_forwarded_for="10.1.1.1") == ["10.1.1.1, 127.0.0.1"]
    assert said("x-forwarded-proto", x_forwarded_proto="https") == ["http"]
    assert said("forwarded", forwarded="for=1.2.3.4") == []
    assert said("x-holdfast-track", x_holdfast_track="canary") == []
    twice = client.get(
        "/", headers=[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2")]
    )
    found = [v for key, v in twice.json()["headers"] if key.lower() == "x-forwarded-for"]
    assert found == ["2.2.2.2, 127.0.0.1"], "one line, so that everybody reads the same"
    assert "strict-transport-security" not in client.get("/").headers


def raw(place: Place, sent: bytes, *, seconds: float = 10.0, stays: bool = False) -> bytes:
    """What comes back for these bytes until the router hangs up.

    Unless the client `stays` it says at once that nothing more comes, and that the router may take
    for gone: it answers what it has begun, and of pipelined requests perhaps no other.
    """
    with socket.create_connection(("127.0.0.1", place.port), timeout=seconds) as asking:
        with contextlib.suppress(OSError):  # it has answered and hung up before the end
            asking.sendall(sent)
            if not stays:
                asking.shutdown(socket.SHUT_WR)
        parts = []
        with contextlib.suppress(ConnectionError):
            while part := asking.recv(65_536):
                parts.append(part)
    return b"".join(parts)


def test_nothing_that_comes_makes_the_router_fail(place: Place) -> None:
    host = b"Host: x\r\n"
    head = b"GET /?shop=" + OURS.encode() + b" HTTP/1.1\r\n" + host
    assert raw(place, head.replace(b"1.1", b"1.0") + b"\r\n").startswith(b"HTTP/1.1 200")
    for empty in (b"Authorization: Bearer \r\n", b"X-Shopify-Shop-Domain:\r\n"):
        sent = b"POST /webhooks HTTP/1.1\r\n" + host + empty + b"Content-Length: 0\r\n\r\n"
        assert b"x-track: stable" in raw(place, sent)
    last = head + b"Connection: close\r\n\r\n"
    pipelined = raw(place, (head + b"\r\n") * 2 + last, stays=True)
    assert pipelined.count(b"x-track: canary") == 3
    assert b"x-track: canary" in raw(place, head.replace(b"GET", b"HEAD") + b"\r\n")
    for sent in [
        head + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        head + b"Authorization: Bearer " + b"e" * 100_000 + b"\r\n\r\n",
        head + b"".join(b"A%d: b\r\n" % number for number in range(500)) + b"\r\n",
        b"GET /?shop=" + b"x" * 100_000 + b" HTTP/1.1\r\n" + host + b"\r\n",
        head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        head + b"Transfer-Encoding: xchunked\r\n\r\n",
        head + b"Bad Name: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET http://elsewhere/?shop=a HTTP/1.1\r\nHost: elsewhere\r\n\r\n",
    ]:
        answer = raw(place, sent)
        assert not answer or answer[9:10] in b"24", (sent[:60], answer[:80])
        assert answer.count(b"HTTP/1.1 ") <= 1, "no second request is smuggled in"


@pytest.mark.long
def test_who_sends_slowly_is_told_so_and_holds_up_nobody(
    place: Place, client: httpx.Client
) -> None:
    with contextlib.ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", place.port), 20))
            for _ in range(200)
        ]
        for one in slow:
            one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        began = time.monotonic()
        assert client.get("/").status_code == 200
        for one in slow[:3]:
            assert one.recv(100).startswith(b"HTTP/1.1 408")
        print(f"told after {time.monotonic() - began:.1f} s")


def test_a_reload_gives_nothing_and_says_that_nothing_was_taken_back(place: Place) -> None:
    """The configuration is read anew: whoever watches tells the share again."""
    place.router.take_back()
    assert (place.router.share(), place.router.is_taken_back()) == (0, True)
    place.router.begin()
    place.router.give(SHARE)
    place.proxies.write_text("127.0.0.0/8\n", encoding="utf-8")
    place.process.send_signal(12)  # SIGUSR2
    wait_for("the new one is asked", lambda: place.router.share() == 0, 20)
    assert not place.router.is_taken_back()
    place.router.give(SHARE)
    with httpx.Client(base_url=place.url) as client:
        secure = {"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "https"}
        answer = client.get("/", headers=secure)
        told_of = dict(answer.json()["headers"])
        assert told_of["x-forwarded-for"] == "9.9.9.9", "a proxy of ours has seen who asks"
        assert told_of["x-forwarded-proto"] == "https"
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        plain = client.get("/?a=b", headers={"X-Forwarded-Proto": "http", "Host": "app.example"})
        assert plain.status_code == 301
        assert plain.headers["location"] == "https://app.example/?a=b"
