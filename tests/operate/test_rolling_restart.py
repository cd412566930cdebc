"""A rolling restart of web under load loses no webhook: each is answered 200 at the first try."""

import time

import pytest

from tests.operate.parts import needed
from tests.operate.routed import SHOPS, Routed, routed

pytestmark = [pytest.mark.operate, pytest.mark.long]

ROUNDS = 2


def test_a_rolling_restart_under_load_loses_no_webhook() -> None:
    needed("haproxy", "prometheus")
    with routed() as place:
        with place.traffic(200.0):
            time.sleep(1)
            began = time.monotonic()
            for _ in range(ROUNDS):
                for name in ("web", "web2"):
                    place.stack.stop(name)
                    place.stack.start(name)
                    _wait_until_it_serves(place, name)
            seconds = time.monotonic() - began
            time.sleep(1)
        answers = place.answers
        failed = [one for one in answers if one.status != 200]
        slowest = max(one.seconds for one in answers)
        print(
            f"{len(answers)} webhooks over {2 * ROUNDS} restarts in {seconds:.0f} s: "
            f"{len(failed)} not taken at the first try, the slowest {slowest:.2f} s"
        )
        assert len(answers) > 1_000
        assert failed == []
        assert {one.shop for one in answers} <= set(SHOPS)


def _wait_until_it_serves(place: Routed, name: str) -> None:
    server = {"web": "stable1", "web2": "stable2"}[name]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        lines = place.router.ask("show stat stable 4 -1").splitlines()
        if any(f",{server}," in line and ",UP," in line for line in lines):
            return
        time.sleep(0.1)
    pytest.fail(f"the router does not find {name}")
