"""`make bench`: every figure of the README, both sides in one run, as a table with ratios."""

import argparse
import statistics

from benchmarks import campaigns, cost, kafka, latency, programme, sides, signals

CONNECTIONS = 128


def ingest(count: int, rounds: int) -> list[tuple[str, str, str]]:
    """Acknowledged a second, without workers: ours all on disk, the peer syncs nothing."""
    ours, theirs = [], []
    for number in range(rounds):
        job = {
            "count": count,
            "shops": sides.SHOPS,
            "first_id": 10**9 + number * count,
            "connections": CONNECTIONS,
        }
        with sides.holdfast("web", **sides.LIFTED) as stack:
            ours.append(sides.load({**job, "port": stack.ports["web"]})["per_second"])
        with sides.peer(workers=False) as peer:
            theirs.append(
                sides.load({**job, "port": peer["port"], "count": count // 3})["per_second"]
            )
    return [
        row(
            "Ingest, every acknowledged webhook on disk",
            ours,
            "peer, syncing nothing",
            theirs,
            "/s",
        )
    ]


def ingest_against_empty(count: int, rounds: int) -> list[tuple[str, str, str]]:
    """With fsync off, against the same HTTP server answering an empty handler."""
    ours, empty = [], []
    for number in range(rounds):
        job = {
            "count": count,
            "shops": sides.SHOPS,
            "first_id": 2 * 10**9 + number * count,
            "connections": CONNECTIONS,
        }
        with sides.holdfast("web", appendfsync="no", **sides.LIFTED) as stack:
            ours.append(sides.load({**job, "port": stack.ports["web"]})["per_second"])
        with sides.empty_server() as port:
            empty.append(sides.load({**job, "port": port})["per_second"])
    return [row("Ingest, fsync off", ours, "empty handler, same server", empty, "/s")]


def sentinel(count: int, rounds: int) -> list[tuple[str, str, str]]:
    """Acknowledged a second once a replica has it too (WAIT 1), both on disk, against one Redis."""
    found: dict[str, list[float]] = {"sentinel": [], "by tcp": []}
    for number in range(rounds):
        job = {
            "count": count,
            "shops": sides.SHOPS,
            "first_id": 5 * 10**9 + number * count,
            "connections": CONNECTIONS,
        }
        for redis_is, rates in found.items():
            with sides.holdfast("web", redis_is=redis_is, **sides.LIFTED) as stack:
                rates.append(sides.load({**job, "port": stack.ports["web"]})["per_second"])
                sides.none_spilled(stack.environment["DATABASE_URL"])
    return [
        row(
            "Ingest, with Sentinel and a replica that confirms",
            found["sentinel"],
            "one Redis, by TCP too",
            found["by tcp"],
            "/s",
        )
    ]


def sustained(count: int, rounds: int) -> list[tuple[str, str, str]]:
    """From the first webhook to the last ledger row, no limits, nothing left behind."""
    ours, theirs, memory = [], [], {}
    for number in range(rounds):
        job = {
            "count": count,
            "shops": sides.SHOPS,
            "first_id": 3 * 10**9 + number * count,
            "connections": CONNECTIONS,
        }
        with sides.holdfast("web", "ingest", "relay", "points", **sides.LIFTED) as stack:
            sent = sides.load({**job, "port": stack.ports["web"]})
            done_at = sides.wait_for_rows(stack.environment["DATABASE_URL"], "ledger", count)
            ours.append(count / (done_at - sent["started_at"]))
            memory = sides.memory_megabytes(stack)
            print(stack.verify(), flush=True)
        with sides.peer(workers=True) as peer:
            small = count // 3
            sent = sides.load({**job, "port": peer["port"], "count": small})
            theirs.append(
                small
                / (sides.wait_for_rows(peer["database_url"], "ledger", small) - sent["started_at"])
            )
    listed = ", ".join(f"{name} {megabytes:.0f}" for name, megabytes in memory.items())
    return [
        row("Sustained, webhook to committed ledger row", ours, "peer", theirs, "/s"),
        ("Memory of every process after that run (MB)", listed, ""),
    ]


def row(
    what: str, ours: list[float], other: str, theirs: list[float], unit: str
) -> tuple[str, str, str]:
    mine, its = statistics.median(ours), statistics.median(theirs)
    spread = f"{min(ours):,.0f}-{max(ours):,.0f}"
    return (what, f"{mine:,.0f}{unit} ({spread})", f"{mine / its:.2f}x {other} ({its:,.0f}{unit})")


MEASUREMENTS = {
    "ingest": ingest,
    "empty": ingest_against_empty,
    "sentinel": sentinel,
    "sustained": sustained,
    "kafka": kafka.sustained,
    "cost": cost.cost,
    "cost2": cost.cost_of_two,
    "tracing": cost.cost_of_tracing,
    "shops": cost.cost_by_shops,
    "cost10m": cost.cost_of_growth,
    "retranslation": cost.retranslation,
    "signals": signals.signals,
    "latency": latency.webhook_to_balance,
    "fairness": latency.fairness,
    "me": latency.me_warm,
    "programme": programme.programme,
    "campaigns": campaigns.campaigns,
}
LONG = ("cost10m",)  # when asked for by its name: filling the database takes minutes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "only", nargs="*", choices=[[], *MEASUREMENTS], help="which measurements (all)"
    )
    parser.add_argument("--count", type=int, default=30_000, help="webhooks a round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(sides.machine(), flush=True)
    rows: list[tuple[str, str, str]] = []
    for name in arguments.only or [one for one in MEASUREMENTS if one not in LONG]:
        for found in MEASUREMENTS[name](arguments.count, arguments.rounds):
            rows.append(found)
            print("  ".join(found), flush=True)
    print(f"\n| measured on {sides.machine()} | Holdfast | against |\n|---|---|---|")
    for found in rows:
        print("| " + " | ".join(found) + " |")


if __name__ == "__main__":
    main()
