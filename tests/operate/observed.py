"""A living stack with Prometheus and Alertmanager over it, as `make observe` has them, hurried."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from local import servers
from ops.grafana.panels import Board
from ops.observe import Ports, observing
from tests.faults.shoppers import redeem
from tests.faults.test_campaigns_away import for_orders
from tests.faults.test_referrals_down import ask, claim, link_of, new_member
from tests.living import living
from tests.stack import SHOP, Stack

# intervals that do for a test; every expression and threshold stays as it is
HURRY = {
    "scrape_interval: 5s": "scrape_interval: 1s",
    "scrape_timeout: 4s": "scrape_timeout: 1s",
    "evaluation_interval: 5s": "evaluation_interval: 1s",
    "group_wait: 10s": "group_wait: 1s",
    "group_interval: 1m": "group_interval: 1s",
    **{f"for: {wait}\n": "for: 3s\n" for wait in ("15s", "30s", "1m", "2m", "5m", "10m")},
}
RATE_INTERVAL = "20s"


@dataclass
class Observed:
    """The stack, the Prometheus over it, and what the receivers were told, oldest first."""

    stack: Stack
    url: str
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def ask(self, expr: str) -> list[dict[str, Any]]:
        """What Prometheus answers now: a list of `{metric, value}`."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expr}, timeout=20).json()
        assert answer["status"] == "success", f"{expr}: {answer}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def range(self, expr: str, seconds: float, step: float) -> list[dict[str, Any]]:
        """The same over the last `seconds`: a list of `{metric, values}`."""
        now = time.time()
        asked = {"query": expr, "start": now - seconds, "end": now, "step": step}
        answer = httpx.get(f"{self.url}/api/v1/query_range", params=asked, timeout=20).json()
        assert answer["status"] == "success", f"{expr}: {answer}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def heard(self, alert: str, status: str) -> list[str]:
        """The receivers that were told that `alert` is `firing` or `resolved`."""
        return [
            receiver
            for receiver, one in list(self.told)
            if (one["labels"]["alertname"], one["status"]) == (alert, status)
        ]


@contextmanager
def observed(folder: Path) -> Iterator[Observed]:
    """All processes of one machine with their metrics in one folder, seen through web."""
    counted = folder / "metrics"
    counted.mkdir()
    with living(PROMETHEUS_MULTIPROC_DIR=str(counted)) as stack:
        ports = Ports(*(servers.free_port() for _ in range(3)))
        found = Observed(stack, f"http://127.0.0.1:{ports.prometheus}")
        target = f"127.0.0.1:{stack.ports['web']}"

        def tell(receiver: str, alert: dict[str, Any]) -> None:
            found.told.append((receiver, alert))

        with observing(folder / "observe", [target], ports, tell, HURRY):
            yield found


def expressions(board: Board) -> Iterator[tuple[str, str]]:
    """Each panel's title and expression, for each value of the board's variables, or any."""
    for _, panels in board.rows:
        for panel in panels:
            for query in panel.queries:
                asked = {query.expr.replace("$__rate_interval", RATE_INTERVAL)}
                for variable in board.variables:
                    name = f"${variable.name}"
                    asked = {
                        one.replace(name, value)
                        for one in asked
                        for value in ((variable.values or ("any",)) if name in one else ("",))
                    }
                for expr in sorted(asked):
                    yield f"{board.title}, {panel.title}", expr


def traffic(stack: Stack, bob: str) -> None:
    """A moment of a shop: an order, a look at the balance, a page, a webhook with a bad digest."""
    stack.order(bob, "25.00")
    stack.me(bob)
    stack.open_admin("/")
    stack.http.post(
        f"{stack.app_url}/webhooks",
        content=b"{}",
        headers={"X-Shopify-Hmac-Sha256": "bm9uZQ==", "X-Shopify-Shop-Domain": SHOP},
    )


@contextmanager
def busy(stack: Stack, bob: str, pause_seconds: float = 0.25) -> Iterator[None]:
    """Traffic beside whatever is done meanwhile, whatever becomes of it: redemptions, members who
    want a link, friends who follow one, and a campaign.
    """
    over = threading.Event()
    for_orders(stack, "Always more")
    link = link_of(stack, new_member(stack))

    def go_on() -> None:
        count = 0
        while not over.wait(pause_seconds):
            count += 1
            try:
                traffic(stack, bob)
                if count % 10 == 0:
                    redeem(stack, bob)
                    claim(stack, link, f"{uuid.uuid4().hex}@example.com")
                if count % 15 == 0:
                    ask(stack, new_member(stack))
            except (httpx.HTTPError, AssertionError, KeyError, StopIteration, ValueError):
                continue  # a part is away: that is what is looked at

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(30)
