"""What Kafka as the bus costs: sustained over Kafka against the log, turn by turn in one run."""

import statistics

from benchmarks import sides
from tests.operate.kafka.stack import KafkaStack
from tests.stack import Stack

CONNECTIONS = 128


def sustained(count: int, rounds: int) -> list[tuple[str, str, str]]:
    """From the first webhook to the last ledger row, with either bus."""
    with_kafka, with_log = [], []
    for number in range(rounds):
        first_id = 9 * 10**9 + 2 * number * count
        with_log.append(per_second(Stack, (), count, first_id))
        with_kafka.append(per_second(KafkaStack, ("kafka",), count, first_id + count))
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
    """Ledger rows a second of a fresh stack of that kind."""
    job = {"count": count, "shops": sides.SHOPS, "first_id": first_id, "connections": CONNECTIONS}
    names = (*more, "web", "ingest", "relay", "points")
    with sides.holdfast(*names, kind=kind, **sides.LIFTED) as stack:
        sent = sides.load({**job, "port": stack.ports["web"]})
        done_at = sides.wait_for_rows(stack.environment["DATABASE_URL"], "ledger", count)
        if isinstance(stack, KafkaStack):
            print(f"points read entries from {stack.read_from()}", flush=True)
        print(stack.verify(), flush=True)
    return float(count / (done_at - sent["started_at"]))
