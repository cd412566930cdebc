"""What may happen to a canary, to whoever looks at it and to whoever controls it; and that chance
and a crowded machine take none back that is as good as stable.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import asyncpg
import httpx
import pytest

from app import config as settings
from ops.canary import state
from tests.flow.helpers import until
from tests.operate.routed import CANARY, SHOPS, STABLE, Routed
from tests.shopify.signing import id_token
from tests.stack import SECRET
from tests.waiting import wait_for

pytestmark = [pytest.mark.operate, pytest.mark.long]

LONG_STEPS = ("--step-seconds", "600")
HURT_MAX = 20


def answered_by_canary(place: Routed, count: int = 10) -> bool:
    return sum(one.release == CANARY for one in place.answers[-2_000:]) >= count


def test_a_canary_that_hangs_goes_back_and_its_requests_end(place: Routed) -> None:
    """It takes connections and answers none: who had asked it waits for the router's end."""
    with place.traffic():
        controller = place.begin(*LONG_STEPS)
        wait_for("it has shops", lambda: answered_by_canary(place), 20)
        began = time.monotonic()
        canary = place.processes["canary"]
        canary.send_signal(signal.SIGSTOP)
        try:
            assert controller.wait(40) == 1
            seconds = time.monotonic() - began
            time.sleep(8)
        finally:
            canary.send_signal(signal.SIGCONT)
    hurt = [
        one for one in place.answers if one.at >= began and (one.status != 200 or one.seconds > 2)
    ]
    print(f"hangs: back after {seconds:.1f} s, {len(hurt)} requests hurt: {place.state().reason}")
    assert seconds <= 10
    assert len(hurt) <= HURT_MAX
    assert max(one.seconds for one in hurt) < 8, "nobody waits for ever"


def test_a_canary_that_starts_again_and_again_goes_back(place: Routed) -> None:
    with place.traffic():
        controller = place.begin(*LONG_STEPS)
        wait_for("it has shops", lambda: answered_by_canary(place), 20)
        began = time.monotonic()
        for _ in range(10):
            place.processes["canary"].kill()
            place.processes["canary"].wait(10)
            place.start_canary()
            if controller.poll() is not None:
                break
        assert controller.wait(30) == 1
    hurt = place.hurt(began)
    print(f"starts again and again: {len(hurt)} requests hurt: {place.state().reason}")
    assert len(hurt) <= 4


def test_a_canary_that_ends_at_its_start_is_not_begun_with(place: Routed) -> None:
    place.processes["canary"].kill()
    place.processes["canary"].wait(10)
    wait_for("the router knows", lambda: place.signals.look(15, 0).canary_servers == 0, 30)
    assert place.control("start", "--release", CANARY).wait(30) == 2
    assert "no canary process answers" in place.said()
    assert place.router.share() == 0


async def test_what_it_told_in_a_newer_shape_waits_for_the_release_that_knows_it(
    place: Routed,
) -> None:
    """The canary tells a fact, goes back, and its release comes again later with its workers."""
    stack, shop = place.stack, SHOPS[7]
    database = await asyncpg.connect(stack.environment["DATABASE_URL"])
    api_key = settings.load(stack.environment).api_key

    def save(cap: str, version: int) -> str:
        """A merchant's cap on all multipliers; the release that saved it."""
        token = id_token(SECRET, iss=f"https://{shop}/admin", dest=f"https://{shop}", aud=api_key)
        with httpx.Client(base_url=place.url("router"), timeout=20) as client:
            answer = client.post(
                "/campaigns/stacking",
                data={"policy": "add", "cap": cap, "version": str(version)},
                headers={"Authorization": f"Bearer {token}"},
            )
        assert answer.status_code == 200, answer.text
        assert "Saved." in answer.text
        return answer.headers["x-holdfast-release"]

    async def found(statement: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in await database.fetch(statement, shop)]

    async def come_to(statement: str, wanted: list[tuple[object, ...]]) -> None:
        async def has_come() -> bool:
            return await found(statement) == wanted

        assert await until(has_come, 60), await found(statement)

    stack.start("points")
    try:
        controller = place.begin(*LONG_STEPS)
        place.router.pin({shop: "canary"})
        place.fault.write_text("newer", encoding="utf-8")
        assert save("2", 0) == CANARY
        await come_to(LETTERS, [("waiting", 0)])
        assert place.control("rollback", name="by-hand").wait(30) == 0
        assert controller.wait(30) == 1
        place.router.pin({})
        assert save("3", 1) == STABLE
        await come_to(KEPT, [(2, "3")])
        assert await found(LETTERS) == [("waiting", 0)], "it waits, and is not given up"
        stack.stop("points")
        place.spawn("newer", [sys.executable, "-m", "tests.operate.newer_points"])
        await database.execute(DUE, shop)
        await come_to(KEPT, [(1, "2"), (2, "3")])
        await come_to(LETTERS, [("done", 1)])
    finally:
        await database.close()
        stack.stop("points")
        if (newer := place.processes.pop("newer", None)) is not None:
            newer.terminate()
            newer.wait(20)


LETTERS = "SELECT state, attempts FROM dead_letters WHERE service = 'points' AND shop = $1"
DUE = "UPDATE dead_letters SET next_attempt_at = now() WHERE shop = $1"
KEPT = """
SELECT version, told::json ->> 'cap' FROM campaign_copies WHERE shop = $1 AND campaign_id = ''
 ORDER BY version
"""


@contextmanager
def prometheus(kind: str) -> Iterator[str]:
    """One that answers, but not as it should: rubbish | another shape | empty | slow | endless."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(500 if kind == "failing" else 200)
            self.end_headers()
            body = {
                "rubbish": b"<html>\xff",
                "another shape": b'{"data": {"result": [{"metric": [], "value": []}]}}',
                "infinite": json.dumps(
                    {"data": {"result": [{"metric": {"proxy": "canary"}, "value": [0, "+Inf"]}]}}
                ).encode(),
                "empty": b'{"status": "success", "data": {"result": []}}',
                "failing": b"",
            }.get(kind, b"")
            if kind == "slow":
                ended.wait(5)
            while kind == "endless" and not ended.is_set():
                self.wfile.write(b" " * 1_000)
                ended.wait(0.05)
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join(20)


@pytest.mark.parametrize(
    "kind", ["rubbish", "another shape", "infinite", "empty", "failing", "slow", "endless"]
)
def test_a_prometheus_that_does_not_answer_as_it_should_promotes_nobody(
    place: Routed, kind: str
) -> None:
    first = place.begin(*LONG_STEPS)
    first.kill()
    first.wait(10)
    with prometheus(kind) as url:
        watching = place.control(
            "--step-seconds", "1", "--blind-seconds", "3", "--prometheus", url, "watch"
        )
        began = time.monotonic()
        assert watching.wait(40) == 1
    print(f"{kind}: back after {time.monotonic() - began:.1f} s (told to after 3)")
    assert "nothing was known of it" in place.state().reason
    assert place.router.share() == 0


def test_one_that_is_killed_while_it_watches_is_followed_by_another(place: Routed) -> None:
    with place.traffic():
        for _ in range(2):
            first = place.begin("--step-seconds", "3", "--requests-min", "15")
            time.sleep(1.5)
            for _ in range(3):
                first.kill()
                first.wait(10)
                assert place.router.share() == place.state().share > 0
                first = place.control("--step-seconds", "3", "--requests-min", "15", "watch")
                time.sleep(2.5)
            assert first.wait(60) == 0
            assert place.control("finish", name="finish").wait(30) == 0


def test_a_state_that_was_cut_off_goes_back_by_hand_and_by_itself(place: Routed) -> None:
    for by_hand in (True, False):
        controller = place.begin(*LONG_STEPS)
        if by_hand:
            controller.kill()
            controller.wait(10)
        path = place.plan.folder / "state.json"
        path.write_bytes(path.read_bytes()[:40])
        if by_hand:
            assert place.control("status", name="status").wait(30) == 2
            assert place.control("rollback", name="by-hand").wait(30) == 0
        else:
            assert controller.wait(30) == 1
        assert place.router.share() == 0
        assert place.state().status == state.ROLLED_BACK


def test_clean_ones_on_a_crowded_machine_are_promoted(place: Routed) -> None:
    """CANARIES of them, one after the other, while four others want the machine's two cores, and
    stop wanting it, by turns.
    """
    count, taken = int(os.environ.get("CANARIES", "2")), []
    hogs = [subprocess.Popen([sys.executable, "-c", HOG, str(number)]) for number in range(4)]
    try:
        with place.traffic():
            for _ in range(count):
                assert place.begin("--step-seconds", "12", "--requests-min", "15").wait(180) in {
                    0,
                    1,
                }
                found = place.state()
                if found.status != state.PROMOTED:
                    taken.append(found.reason)
                    continue
                assert place.control("finish", name="finish").wait(30) == 0
    finally:
        for one in hogs:
            one.kill()
            one.wait(10)
    print(f"{len(taken)} of {count} clean ones taken back: {taken}")
    assert taken == []


HOG = """
import random, sys, time
dice = random.Random(sys.argv[1])
while True:
    end = time.monotonic() + dice.uniform(0.1, 2)
    while time.monotonic() < end:
        sum(range(1000))
    time.sleep(dice.uniform(0.1, 2))
"""
