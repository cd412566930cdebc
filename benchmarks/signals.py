"""What metrics and log lines together cost a webhook: the same road with them, and without."""

import statistics
import tempfile
from pathlib import Path

from benchmarks import cost, sides

# put in front of every process by its path: nothing is counted, observed or set
SILENCE = """
from prometheus_client import metrics


def nothing(*_, **__):
    pass


metrics.Counter.inc = metrics.Histogram.observe = metrics.Gauge.set = nothing
"""
LOUD = {"LOG_LEVEL": "INFO"}  # as in production


def signals(count: int, rounds: int) -> list[cost.Row]:
    """Pairs of rounds in houses of their own; the stores, which tell nothing, are left out."""
    told, silent = [], []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sitecustomize.py").write_text(SILENCE, encoding="utf-8")
        quiet = {"LOG_LEVEL": "CRITICAL", "PYTHONPATH": folder}
        for number in range(rounds):
            for found, settings in ((told, LOUD), (silent, quiet)):
                first_id = 9 * 10**9 + number * count
                with sides.holdfast(*cost.ROAD, **sides.LIFTED, **settings) as stack:
                    figures = cost.measure(stack, ("web",), count, first_id, sides.SHOPS)
                found.append(sum(figures[name] for name in cost.ROAD))
    with_, without = statistics.median(told), statistics.median(silent)
    said = f"{with_ / without - 1:+.1%} of {without:.0f} µs without them"
    return [("CPU a webhook for metrics and log lines", f"{with_ - without:+.0f} µs", said)]
