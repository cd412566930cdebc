"""What signals cost a webhook: metrics and log lines, traces that are recorded, and traces that
nobody wants.

A machine that swings by half from one minute to the next hides five percent. So both sides are
rounds of the same processes over the same stores, a second or two long and in turns (with, without,
without, with), what they cost is the processor's own account of their threads in nanoseconds, and
what counts is the middle of all pairs.
"""

import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import cost, sides
from tests.stack import Stack

PAIRS_MIN = 7
ROUND = 600  # webhooks
SETTLE_SECONDS = 1.2  # spans are sent once a second
OURS = cost.ROAD  # the stores tell nothing
GOALS = {"told": 5, "recorded": 3, "looked_for": 0}  # percent
WORDS = {
    "told": "metrics and log lines",
    "recorded": "5 % of traces recorded",
    "looked_for": "traces that nobody wants",
}


def signals(count: int, rounds: int) -> list[cost.Row]:
    """A row each; of `count` webhooks in all, or at least seven pairs of rounds."""
    pairs = max(PAIRS_MIN, rounds * count // (2 * ROUND) // len(WORDS))
    with sides.empty_server() as port:
        return [_row(switch, _pairs(switch, pairs, f"http://127.0.0.1:{port}")) for switch in WORDS]


def _row(switch: str, found: list[tuple[float, float]]) -> cost.Row:
    shares = [with_ / without - 1 for with_, without in found]
    low, middle, high = statistics.quantiles(shares, n=4)
    without = statistics.median(one for _, one in found)
    micros = statistics.median(one - other for one, other in found)
    said = (
        f"{middle:+.1%} of {without:.0f} µs; half of {len(found)} pairs between {low:+.1%} and "
        f"{high:+.1%} (the goal: {GOALS[switch]} %)"
    )
    return (f"CPU a webhook for {WORDS[switch]}", f"{micros:+.1f} µs", said)


def _pairs(switch: str, pairs: int, collector: str) -> list[tuple[float, float]]:
    """Microseconds a webhook with and without, pair by pair."""
    found = []
    with _house(switch, collector) as stack:
        take = _Rounds(stack)
        take.round(is_on=True)
        take.round(is_on=False)  # both have run once, and are not counted
        for number in range(pairs):
            first = number % 2 == 0
            one, other = take.round(is_on=first), take.round(is_on=not first)
            found.append((one, other) if first else (other, one))
    return found


@contextmanager
def _house(switch: str, collector: str) -> Iterator[Stack]:
    settings = {"LOG_LEVEL": "INFO", "SIGNALS_SWITCH": switch}  # as in production
    if switch == "recorded":
        settings |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_TRACES_SAMPLER_ARG": "0.05"}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(__file__).with_name("switch.py").read_text(encoding="utf-8")
        (Path(folder) / "sitecustomize.py").write_text(source, encoding="utf-8")
        with sides.holdfast(*OURS, **sides.LIFTED, **settings, PYTHONPATH=folder) as stack:
            yield stack


class _Rounds:
    """Rounds of webhooks, one after the other, each with signals or without."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.url = stack.environment["DATABASE_URL"]
        self.done = 0

    def round(self, *, is_on: bool) -> float:
        """Microseconds of processor time a webhook."""
        for name in OURS:
            self.stack.running[name].send_signal(signal.SIGUSR1 if is_on else signal.SIGUSR2)
        time.sleep(0.2)
        before = self._nanoseconds()
        sides.load(
            {
                "port": self.stack.ports["web"],
                "count": ROUND,
                "shops": sides.SHOPS,
                "first_id": 9 * 10**9 + self.done,
                "connections": cost.CONNECTIONS,
            }
        )
        self.done += ROUND
        sides.wait_for_rows(self.url, "grants", self.done)
        time.sleep(SETTLE_SECONDS)
        return (self._nanoseconds() - before) / ROUND / 1_000

    def _nanoseconds(self) -> int:
        """What the threads of our processes have run, as the scheduler counts it."""
        return sum(
            int((task / "schedstat").read_text().split()[0])
            for name in OURS
            for task in Path(f"/proc/{self.stack.running[name].pid}/task").iterdir()
        )
