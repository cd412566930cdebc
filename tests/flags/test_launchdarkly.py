"""LaunchDarkly as it speaks: a stand-in for its stream says values, changes and deletes flags,
sends rubbish, hangs up and comes back; what our operators have switched off stays off.
"""

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from openfeature import api

from app import db
from app.flags import evaluation, launchdarkly
from app.flags.known import GIFT_CARDS, POLARIS, REDEEMING, default

ALICE, BOBS = "alice.myshopify.com", "bobs.myshopify.com"


def flag(key: str, version: int, *, on: bool, named: tuple[str, ...] = ()) -> dict[str, Any]:
    """As their service has it: on or off for all, and the other way for who is named."""
    return {
        "key": key,
        "version": version,
        "on": True,
        "variations": [True, False],
        "fallthrough": {"variation": 0 if on else 1},
        "offVariation": 1,
        "targets": [{"values": list(named), "variation": 1 if on else 0}],
        "rules": [],
        "prerequisites": [],
        "salt": "s",
        "trackEvents": False,
    }


class Theirs:
    """Their service on this machine: each connection gets all flags first, then what is said."""

    def __init__(self) -> None:
        self.flags: dict[str, Any] = {}
        self.said: queue.Queue[bytes | None] = queue.Queue()
        self.connections = 0
        self.delay_seconds = 0.0
        self.is_away = False
        self.ended = threading.Event()
        theirs = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # in chunks: what comes as one whole is read at its end

            def tell(self, part: bytes) -> None:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))

            def do_GET(self) -> None:
                theirs.connections += 1
                if theirs.is_away:
                    self.send_error(503)
                    return
                theirs.ended.wait(theirs.delay_seconds)
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Transfer-Encoding", "chunked")
                self.send_header("Connection", "close")
                self.end_headers()
                everything = {"path": "/", "data": {"flags": theirs.flags, "segments": {}}}
                self.tell(message("put", everything))
                while not theirs.ended.is_set():
                    with suppress(queue.Empty):
                        part = theirs.said.get(timeout=0.1)
                        if part is None:
                            break
                        self.tell(part)
                self.close_connection = True

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

            def handle(self) -> None:
                with suppress(ConnectionError):
                    super().handle()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def change(self, one: dict[str, Any]) -> None:
        self.flags[one["key"]] = one
        self.said.put(message("patch", {"path": f"/flags/{one['key']}", "data": one}))

    def delete(self, key: str, version: int) -> None:
        del self.flags[key]
        self.said.put(message("delete", {"path": f"/flags/{key}", "version": version}))

    def hang_up(self) -> None:
        self.said.put(None)

    def close(self) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(20)


def message(event: str, data: object) -> bytes:
    return f"event: {event}\ndata: {json.dumps(data)}\n\n".encode()


@pytest.fixture
def theirs() -> Iterator[Theirs]:
    made = Theirs()
    yield made
    made.close()


@pytest.fixture(autouse=True)
async def _begun(stores: db.Stores):
    evaluation.forget()
    await evaluation.begin(stores)
    yield
    api.clear_providers()
    evaluation.forget()


def becomes(wanted: bool, ask: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether it comes to that, looked at as after each look at our table."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        evaluation._remembered.clear()
        if ask() is wanted:
            return True
        time.sleep(0.02)
    return False


def polaris(shop: str = ALICE) -> bool:
    return evaluation.is_on(POLARIS, shop)


def test_what_they_say_counts_by_shop_at_once_and_our_switch_counts_more(theirs: Theirs) -> None:
    theirs.flags = {"polaris": flag("polaris", 1, on=False, named=(BOBS,))}
    launchdarkly.come_first("a-key", theirs.url, evaluation.table).join(30)
    assert becomes(False, polaris)
    assert polaris(BOBS)
    assert evaluation.is_on(REDEEMING, ALICE), "they do not know it: our table says"
    theirs.change(flag("polaris", 2, on=True, named=(ALICE,)))
    assert becomes(True, lambda: polaris(BOBS) and not polaris())
    evaluation.table.settings = {POLARIS.key: default(POLARIS)._replace(is_enabled=False)}
    assert becomes(False, lambda: polaris(BOBS))
    evaluation.table.settings = {}
    assert becomes(True, lambda: polaris(BOBS))
    theirs.delete("polaris", 3)
    assert becomes(True, polaris), "deleted there, our table says: on for all"


def test_rubbish_of_theirs_changes_nothing_and_they_come_back(theirs: Theirs) -> None:
    theirs.flags = {"polaris": flag("polaris", 1, on=False)}
    launchdarkly.come_first("a-key", theirs.url, evaluation.table).join(30)
    assert becomes(False, polaris)
    for part in (
        b"event: patch\ndata: {nonsense\n\n",
        b"\xff\xfe\n\n",
        b"event: nothing\ndata: 1\n\n",
    ):
        theirs.said.put(part)
    theirs.hang_up()
    time.sleep(0.3)
    evaluation._remembered.clear()
    assert not polaris(), "what they said last holds while they are away"
    theirs.flags = {"polaris": flag("polaris", 9, on=True)}
    assert becomes(True, polaris, 60)


def test_a_value_that_is_no_yes_or_no_leaves_it_to_our_table(theirs: Theirs) -> None:
    strange = flag("gift-cards", 1, on=True)
    theirs.flags = {"gift-cards": {**strange, "variations": ["perhaps", 7]}}
    launchdarkly.come_first("a-key", theirs.url, evaluation.table).join(30)
    evaluation.table.settings = {GIFT_CARDS.key: default(GIFT_CARDS)._replace(share_in_10000=0)}
    assert becomes(False, lambda: evaluation.is_on(GIFT_CARDS, ALICE))
    evaluation.table.settings = {}
    assert becomes(True, lambda: evaluation.is_on(GIFT_CARDS, ALICE))


@pytest.mark.hangs
def test_one_that_is_slow_is_waited_for_by_nobody(theirs: Theirs) -> None:
    theirs.flags, theirs.delay_seconds = {"polaris": flag("polaris", 1, on=False)}, 1.5
    began = time.monotonic()
    thread = launchdarkly.come_first("a-key", theirs.url, evaluation.table)
    assert polaris(), "until they are there our table says"
    assert time.monotonic() - began < 1.5
    thread.join(30)
    assert becomes(False, polaris)
