"""What Kafka as the bus costs: sustained over Kafka against the log, turn by turn in one run."""

import statistics

from benchmarks import cost, sides
from tests.operate.kafka.stack import KafkaStack
from tests.stack import Stack

CONNECTIONS = 128
# Kafka's programs are compiled while they run: the first thousands cost it several times as much as
# those of a broker that has been up for a minute. Both sides get as many before the clock runs.
WARM_UP = 24_000


def sustained(count: int, rounds: int) -> list[tuple[str, str, str]]:
    """From the first webhook to the last ledger row, with either bus."""
    with_kafka, with_log = [], []
    for number in range(rounds):
        first_id = 9 * 10**9 + 2 * number * (WARM_UP + count)
        with_log.append(per_second(Stack, (), count, first_id))
        with_kafka.append(per_second(KafkaStack, ("kafka",), count, first_id + WARM_UP + count))
    ours, theirs = statistics.median(with_kafka), statistics.median(with_log)
    spread = f"{min(with_kafka):,.0f}-{max(with_kafka):,.0f}"
    return [
        (
            "Sustained with Kafka as the bus",
            f"{ours:,.0f}/s ({spread})",
            f"{ours / theirs:.2f}x the log as the bus ({theirs:,.0f}/s)",
        )
    ]


def per_second(kind: type[Stack], more: tuple[str, ...], count: int, first_id: int) -> float:
    """Ledger rows a second of a stack of that kind that has just begun and is warm."""
    names = (*more, "web", "ingest", "relay", "points")
    with sides.holdfast(*names, kind=kind, **sides.LIFTED) as stack:
        url = stack.environment["DATABASE_URL"]
        job = {"port": stack.ports["web"], "shops": sides.SHOPS, "connections": CONNECTIONS}
        sides.load({**job, "count": WARM_UP, "first_id": first_id})
        sides.wait_for_rows(url, "ledger", WARM_UP)
        before = cost.cpu_seconds(stack)
        sent = sides.load({**job, "count": count, "first_id": first_id + WARM_UP})
        done_at = sides.wait_for_rows(url, "ledger", WARM_UP + count)
        spent = {name: now - before[name] for name, now in cost.cpu_seconds(stack).items()}
        listed = ", ".join(f"{name} {spent[name] / count * 1e6:.0f}" for name in sorted(spent))
        print(f"us of CPU a webhook, {kind.__name__}: {listed}", flush=True)
        if isinstance(stack, KafkaStack):
            print(f"points read entries from {stack.read_from()}", flush=True)
        print(stack.verify(), flush=True)
    return float(count / (done_at - sent["started_at"]))
