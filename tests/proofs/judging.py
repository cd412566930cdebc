"""What the story must have come to: every effect once, every loss in a window that was noted."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import redis

from tests.proofs.story import Member, Story
from tests.sentinels import redis_port
from tests.stack import Stack

SLACK_SECONDS = 0.05  # the same clock, read by two processes
PENDING = """
SELECT (SELECT count(*) FROM receipts WHERE webhook_id = ANY($1::text[])) AS receipts,
       (SELECT count(*) FROM grants WHERE outcome <> 'waiting') AS orders,
       (SELECT COALESCE(sum((known::jsonb ? 'ended')::int + (SELECT count(*) FROM jsonb_object_keys(
                   COALESCE(known::jsonb->'refunds', '{}')))), 0)::bigint
          FROM grants WHERE outcome <> 'waiting') AS reversals,
       (SELECT count(*) FROM redemptions WHERE state = 'held') AS held,
       (SELECT count(*) FROM dead_letters WHERE state <> 'done') AS letters,
       (SELECT count(*) FROM spilled_webhooks WHERE moved_at IS NULL) AS spilled
"""
SPILLED = "SELECT count(*) FROM spilled_webhooks WHERE moved_at IS NULL"
LOOKED = "SELECT min(seen_at) > $1 AS is_over FROM redis_epochs"
LETTERS = """
SELECT service, topic, state, reason, count(*) FROM dead_letters GROUP BY 1, 2, 3, 4 LIMIT 20
"""


@dataclass
class Answers:
    """What Shopify and the shoppers were told, and how often they had to ask."""

    first_sent: dict[str, float] = field(default_factory=dict)  # by webhook id, Unix seconds
    acknowledged: dict[str, float] = field(default_factory=dict)  # when last
    codes: dict[str, str] = field(default_factory=dict)  # by the key of the wish
    promised: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)


async def fetch(stack: Stack, sql: str, *arguments: Any) -> list[Any]:
    connection: Any = await asyncpg.connect(stack.environment["DATABASE_URL"])
    try:
        found: list[Any] = await connection.fetch(sql, *arguments)
    finally:
        await connection.close()
    return found


async def rewards_are_there(stack: Stack, shops: list[str]) -> None:
    """Wait until the first facts of every shop are handled, which give it its two rewards."""
    deadline = time.monotonic() + 30
    counted = "SELECT count(DISTINCT (shop, cost)) FROM rewards WHERE shop = ANY($1)"
    while (await fetch(stack, counted, shops))[0]["count"] < 2 * len(shops):
        assert time.monotonic() < deadline, "no rewards after 30 s"
        await asyncio.sleep(0.2)


async def nothing_waits(stack: Stack, seconds: float) -> float:
    """Wait until every lane is empty and nothing is spilled; how long that took."""
    began = time.monotonic()
    while True:
        lanes = await asyncio.to_thread(_lanes, stack)
        spilled = (await fetch(stack, SPILLED))[0]["count"]
        if lanes == spilled == 0:
            return time.monotonic() - began
        assert time.monotonic() - began < seconds, f"{lanes} lanes, {spilled} spilled"
        await asyncio.sleep(0.5)


def _lanes(stack: Stack) -> int:
    """How many hold something; -1 while Redis reads its file."""
    with redis.Redis(port=redis_port(stack)) as client:
        try:
            return sum(1 for _ in client.scan_iter("lane:*", 1000))
        except redis.BusyLoadingError:
            return -1


async def losses_are_noticed(stack: Stack, seconds: float) -> None:
    """Wait until the product has looked for what Redis lost, and begun to after this moment: it
    does so each second, and lanes that are empty may be so because all of them were lost just now.
    """
    began = datetime.now(UTC)
    deadline = time.monotonic() + seconds
    while not (await fetch(stack, LOOKED, began))[0]["is_over"]:
        assert time.monotonic() < deadline, f"nobody has looked for {seconds} s"
        await asyncio.sleep(0.2)


async def lost_with_redis(
    stack: Stack, story: Story, answers: Answers
) -> tuple[set[str], list[float]]:
    """The acknowledged webhooks that are nowhere, and the windows noted (seconds each).

    Each of them lies in one: it was underway or acknowledged within it.
    """
    received = {row["webhook_id"] for row in await fetch(stack, "SELECT webhook_id FROM receipts")}
    windows: list[tuple[datetime, datetime]] = [
        (row["lost_from"], row["noticed_at"])
        for row in await fetch(stack, "SELECT lost_from, noticed_at FROM redis_losses")
    ]
    lost = story.unique_ids - received
    stray = {
        webhook_id: (answers.first_sent[webhook_id], answers.acknowledged[webhook_id])
        for webhook_id in lost
        if not any(
            begin.timestamp() <= answers.acknowledged[webhook_id] + SLACK_SECONDS
            and answers.first_sent[webhook_id] <= end.timestamp() + SLACK_SECONDS
            for begin, end in windows
        )
    }
    sent, noted = sorted(stray.values()), [(a.timestamp(), b.timestamp()) for a, b in windows]
    assert not stray, f"{len(sent)} lost, {sent[0]} to {sent[-1]}, in no noted window: {noted}"
    return lost, [round((end - begin).total_seconds(), 1) for begin, end in windows]


async def settled(stack: Stack, story: Story, seconds: float) -> None:
    """Wait until nothing is on its way: webhooks received, facts handled, no points held."""
    wanted = {
        "receipts": len(story.unique_ids),
        "orders": story.orders,
        "reversals": story.reversals,
        "held": 0,
        "letters": 0,
        "spilled": 0,
    }
    deadline, found = time.monotonic() + seconds, dict[str, int]()
    while found != wanted:
        if time.monotonic() > deadline:
            letters = [dict(row) for row in await fetch(stack, LETTERS)]
            raise AssertionError(f"found {found}, wanted {wanted}; letters {letters}")
        await asyncio.sleep(0.5)
        found = dict((await fetch(stack, PENDING, list(story.unique_ids)))[0])


async def check_effects(stack: Stack, story: Story, shops: list[str]) -> None:
    """Every order earned once; members have what the story says less their codes."""
    rows = await fetch(stack, "SELECT count(*) AS earns FROM ledger WHERE effect = 'earn'")
    assert rows[0]["earns"] == story.orders
    wanted = Counter(story.earned)
    for discount in discounts(stack, shops):
        wanted[owner(discount)] -= cost(discount)
    found = {
        (row["shop"], row["customer_id"]): (
            row["available"],
            row["debt"],
            row["pending"],
            row["held"],
        )
        for row in await fetch(stack, "SELECT * FROM members WHERE sequence > 0")
    }
    assert found == {
        member: (max(0, points), max(0, -points), 0, 0)
        for member, points in wanted.items()
        if member in story.earned
    }


async def check_codes(
    stack: Stack, story: Story, answers: Answers, shops: list[str], ghost: str
) -> None:
    """Each code has its captured points, they have one code, nobody was told otherwise."""
    rows = await fetch(stack, "SELECT * FROM redemptions")
    by_key = {row["idempotency_key"]: row for row in rows}
    assert len(by_key) == len(rows), "a wish has two redemptions"
    at_shopify = Counter(
        (owner(discount), discount["code"], cost(discount))
        for discount in discounts(stack, shops)
        if discount["is_active"]
    )
    captured = Counter(
        ((row["shop"], row["customer_id"]), row["code"], row["points"])
        for row in rows
        if row["state"] == "captured"
    )
    assert at_shopify == captured
    states = {key: row["state"] for key, row in by_key.items()}
    assert all(
        by_key[key]["state"] == "captured" and by_key[key]["code"] == code
        for key, code in answers.codes.items()
    )
    assert answers.promised <= states.keys(), "a promise was forgotten"
    for wish in story.wishes:
        told = answers.refused.get(wish.key, "")
        if told == "insufficient_points" and wish.times == 1:
            assert wish.key not in states, "points were held for a wish that was refused"
        elif told == "refused":
            assert states[wish.key] == "released"
        ends = {None, "released" if wish.member[1] == ghost else "captured"}
        assert states.get(wish.key) in ends
    print(
        f"redemptions: {dict(Counter(states.values()))}, refused "
        f"{dict(Counter(answers.refused.values()))}"
    )


def discounts(stack: Stack, shops: list[str]) -> list[dict[str, Any]]:
    return [
        discount for shop in shops for discount in stack.control("GET", f"shops/{shop}/discounts")
    ]


def owner(discount: dict[str, Any]) -> Member:
    return discount["shop"], str(discount["customer_ids"][0])


def cost(discount: dict[str, Any]) -> int:
    return {500: 100, 3000: 500}[discount["amount_cents"]]
