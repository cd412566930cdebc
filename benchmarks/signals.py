"""What signals cost a webhook: metrics and log lines, traces that are recorded, and traces that
nobody wants.

A machine that swings by half from one minute to the next hides five percent. So both sides are
rounds of fifty webhooks through the same process over the same stores, in turns (with, without,
without, with), and what counts is the middle of many pairs: by the processor's time of our thread,
and, where valgrind is, by the instructions it was given, which no neighbour changes.
"""

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import cost, in_one, sides
from tests.stack import Stack

PAIRS, COUNTED_PAIRS = 150, 7
SECONDS_MAX = 1_500
GOALS = {"told": 5, "recorded": 3, "looked_for": 0}  # percent
WORDS = {
    "told": "metrics and log lines",
    "recorded": "5 % of traces recorded",
    "looked_for": "traces that nobody wants",
}
SUM = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)
COUNTED_WITHIN = "_bisect_bisect_right"  # see benchmarks.in_one


def signals(_count: int, _rounds: int) -> list[cost.Row]:
    """Two rows each: by time, and by instructions where they can be counted."""
    rows = []
    for what, words in WORDS.items():
        with sides.holdfast(**sides.LIFTED, LOG_LEVEL="INFO") as stack:  # as in production
            rows.append(_row(f"CPU a webhook for {words}", "µs", what, timed(stack, what)))
            if shutil.which("valgrind"):
                found = counted(stack, what)
                rows.append(_row(f"Instructions a webhook for {words}", "k", what, found))
    return rows


def timed(stack: Stack, what: str) -> list[tuple[float, float]]:
    """Microseconds a webhook with and without, pair by pair."""
    said = _run(stack, [], what, PAIRS)
    found = json.loads(said.splitlines()[-1])
    return list(zip(found["with"], found["without"], strict=True))


def counted(stack: Stack, what: str) -> list[tuple[float, float]]:
    """Thousands of instructions of our thread a webhook, the same way."""
    with tempfile.TemporaryDirectory() as folder:
        valgrind = [
            "valgrind",
            "--tool=callgrind",
            "--collect-atstart=no",
            f"--toggle-collect={COUNTED_WITHIN}",
            f"--dump-after={COUNTED_WITHIN}",
            f"--callgrind-out-file={folder}/out",
        ]
        _run(stack, valgrind, what, COUNTED_PAIRS)
        parts = sorted(Path(folder).glob("out.*"), key=lambda one: int(one.suffix[1:]))
        sums = [SUM.search(one.read_text(encoding="utf-8")) for one in parts]
    rounds = [int(one[1]) / in_one.WEBHOOKS / 1_000 for one in sums if one][
        4 : 4 + 2 * COUNTED_PAIRS
    ]
    sides_of = [number % 4 in {0, 3} for number in range(len(rounds))]
    with_ = [one for one, is_on in zip(rounds, sides_of, strict=True) if is_on]
    without = [one for one, is_on in zip(rounds, sides_of, strict=True) if not is_on]
    return list(zip(with_, without, strict=True))


def _run(stack: Stack, before: list[str], what: str, pairs: int) -> str:
    command = [*before, sys.executable, "-m", "benchmarks.in_one", what, str(pairs)]
    done = subprocess.run(
        command,
        env=stack.environment,
        cwd=stack.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr[-3_000:])
    return done.stderr


def _row(name: str, unit: str, what: str, found: list[tuple[float, float]]) -> cost.Row:
    shares = [with_ / without - 1 for with_, without in found]
    low, middle, high = statistics.quantiles(shares, n=4)
    without = statistics.median(one for _, one in found)
    more = statistics.median(one - other for one, other in found)
    said = (
        f"{middle:+.1%} of {without:,.0f} {unit}; half of {len(found)} pairs between {low:+.1%} "
        f"and {high:+.1%} (the goal: {GOALS[what]} %)"
    )
    return (name, f"{more:+.1f} {unit}", said)
