"""The long proof: kill -9 during 5,000 webhooks, and every acknowledged one counts once."""

import asyncio
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from app import config as settings
from app import db
from app.points.earning import actions as earning
from devstore import signing
from devstore.settings import load as devstore_settings
from tests.proofs.story import Member, Story, Webhook, Wish, tell
from tests.stack import SECRET, Stack, wait_for
from tests.webhook import signed_headers

WEBHOOKS = int(os.environ.get("CHAOS_WEBHOOKS", "5000"))
SEED = int(os.environ.get("CHAOS_SEED", str(int(time.time()))))
SHOPS = [f"chaos-{number}.myshopify.com" for number in range(20)]
MEMBERS_EACH = 5
GHOST = "77"  # a customer Shopify does not know: it refuses the code, and the points go back
# how often each part is the one to be killed, after each of them was once
VICTIMS = {"ingest": 4, "relay": 4, "points": 4, "redis": 4, "web": 2, "core": 1, "postgres": 1}
MOODS = ("late", "fail", "throttle", "gone")  # of Shopify
SENDERS, SHOPPERS = 16, 6
SEND_PAUSE_SECONDS = 0.1  # some 100/s, so that the kills fall into the middle of the work
SETTLED_SECONDS = 120


@dataclass
class Answers:
    """What Shopify and the shoppers were told, and how often they had to ask."""

    acknowledged: set[str] = field(default_factory=set)
    codes: dict[str, str] = field(default_factory=dict)  # by the key of the wish
    promised: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)


@pytest.fixture
def chaotic_stack() -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="holdfast-chaos-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        stack = Stack(Path(name), LANE_RATE_PER_SECOND="10000", LANE_BURST="10000")
        try:
            stack.start_everything()
            for shop in SHOPS:
                stack.install(shop)
            yield stack
        finally:
            stack.stop_everything()


async def test_killed_at_random_moments_nothing_is_lost_and_nothing_doubled(
    chaotic_stack: Stack,
) -> None:
    stack, choose, began = chaotic_stack, random.Random(SEED), time.monotonic()
    members = [(shop, stack.customer("Bob", shop)) for shop in SHOPS for _ in range(MEMBERS_EACH)]
    members += [(shop, GHOST) for shop in SHOPS]
    await owe_what_cannot_be_taken_back(stack)
    story, answers = tell(choose, members, WEBHOOKS), Answers()
    people = asyncio.gather(deliver(stack, story, answers), redeem(stack, story, answers))
    kills = await kill_until(people, stack, choose)
    await people
    print(
        f"\nseed {SEED}: {len(story.deliveries)} deliveries, "
        f"{len(story.wishes)} redemptions asked for;"
        f" killed {dict(kills)}; answers {dict(sorted(answers.statuses.items()))}"
    )
    sent_seconds, ended = time.monotonic() - began, time.monotonic()
    assert answers.acknowledged == story.unique_ids
    assert kills.keys() == VICTIMS.keys(), "too few kills for this proof to mean anything"
    await settled(stack, story)
    print(
        f"all effects there {time.monotonic() - ended:.1f} s after the last delivery "
        f"({sent_seconds:.0f} s)"
    )
    await check_effects(stack, story)
    await check_codes(stack, story, answers)
    print(stack.verify())
    wait_for("the app is healthy again", lambda: stack.health().get("status") == "ok", 30)


async def owe_what_cannot_be_taken_back(stack: Stack) -> None:
    """With this policy the end does not depend on what came first, the refund or the redemption."""
    async with db.open_stores(settings.load(stack.environment)):
        for shop in SHOPS:
            await earning.edit_program(shop, {"clawback": "debt"}, "Alice")


async def kill_until(
    people: "asyncio.Future[Any]", stack: Stack, choose: random.Random
) -> Counter[str]:
    """kill -9 one part or two at once, each at least once, while Shopify has moods."""
    kills: Counter[str] = Counter()
    first = choose.sample(list(VICTIMS), len(VICTIMS))
    while not people.done():
        mood = (
            {"mode": choose.choice(MOODS), "seconds": 6}
            if choose.random() < 0.25
            else {"mode": "normal"}
        )
        await asyncio.to_thread(stack.control, "POST", "shopify", mood)
        await asyncio.sleep(choose.uniform(0.2, 1.5))
        victims = choose.choices(
            list(VICTIMS), list(VICTIMS.values()), k=choose.choice((1, 1, 1, 2))
        )
        if first:
            victims = [first.pop()]
        for name, process in stack.running.items():
            assert process.poll() is None, f"{name} ended by itself"
        await asyncio.to_thread(stack.kill, *victims)
        kills.update(set(victims))
        await asyncio.sleep(choose.uniform(0, 0.6))
        await asyncio.to_thread(stack.start, *victims)
    await asyncio.to_thread(stack.control, "POST", "shopify", {"mode": "normal"})
    return kills


async def deliver(stack: Stack, story: Story, answers: Answers) -> None:
    """Send all, as Shopify does: again until it is acknowledged, always with the same id."""
    waiting = list(reversed(story.deliveries))
    async with httpx.AsyncClient(timeout=6) as client:

        async def sender() -> None:
            while waiting:
                await _deliver(client, stack, waiting.pop(), answers)
                await asyncio.sleep(SEND_PAUSE_SECONDS)

        await asyncio.gather(*[sender() for _ in range(SENDERS)])


async def _deliver(
    client: httpx.AsyncClient, stack: Stack, webhook: Webhook, answers: Answers
) -> None:
    headers = signed_headers(webhook.body, webhook.topic, webhook.shop, SECRET, webhook.webhook_id)
    for _ in range(150):
        try:
            answer = await client.post(
                f"{stack.app_url}/webhooks", content=webhook.body, headers=headers
            )
        except httpx.HTTPError as error:
            answers.statuses[f"webhook {type(error).__name__}"] += 1
        else:
            answers.statuses[f"webhook {answer.status_code}"] += 1
            assert answer.status_code in {200, 503}, answer.text
            if answer.status_code == 200:
                answers.acknowledged.add(webhook.webhook_id)
                return
        await asyncio.sleep(0.2)
    raise AssertionError(f"{webhook.webhook_id} was never acknowledged")


async def redeem(stack: Stack, story: Story, answers: Answers) -> None:
    """Shoppers ask while webhooks come in, each under one key until he has an answer."""
    waiting = list(story.wishes)
    rewards = {
        (row["shop"], row["cost"]): str(row["id"])
        for row in await fetch(stack, "SELECT shop, cost, id FROM rewards")
    }
    pause_seconds = len(story.deliveries) / SENDERS * SEND_PAUSE_SECONDS / (len(waiting) / SHOPPERS)
    async with httpx.AsyncClient(timeout=12) as client:

        async def shopper() -> None:
            while waiting:
                wish = waiting.pop()
                reward_id = rewards[wish.member[0], wish.cost]
                await asyncio.gather(
                    *[_redeem(client, stack, wish, reward_id, answers) for _ in range(wish.times)]
                )
                await asyncio.sleep(pause_seconds)

        await asyncio.gather(*[shopper() for _ in range(SHOPPERS)])


async def _redeem(
    client: httpx.AsyncClient, stack: Stack, wish: Wish, reward_id: str, answers: Answers
) -> None:
    signed_by = replace(devstore_settings(stack.environment), api_secret=SECRET)
    for _ in range(150):
        url = (
            f"{stack.app_url}/storefront/redemptions?{signing.proxy_query(signed_by, *wish.member)}"
        )
        try:
            answer = await client.post(
                url, json={"reward_id": reward_id, "idempotency_key": wish.key}
            )
        except httpx.HTTPError as error:
            answers.statuses[f"redemption {type(error).__name__}"] += 1
        else:
            answers.statuses[f"redemption {answer.status_code}"] += 1
            assert answer.status_code in {200, 202, 422, 429, 503}, (
                f"{answer.status_code} {answer.text}"
            )
            if answer.status_code < 429:
                note(wish, answer.status_code, answer.json(), answers)
                return
        await asyncio.sleep(0.3)
    raise AssertionError(f"{wish.key} was never answered")


def note(wish: Wish, status: int, body: dict[str, Any], answers: Answers) -> None:
    if status == 200:
        code = body["redemption"]["code"]
        assert answers.codes.setdefault(wish.key, code) == code, "one wish, two codes"
    elif status == 202:
        answers.promised.add(wish.key)
    else:
        answers.refused[wish.key] = body["error"]["code"]


async def fetch(stack: Stack, sql: str, *arguments: Any) -> list[Any]:
    connection: Any = await asyncpg.connect(stack.environment["DATABASE_URL"])
    try:
        found: list[Any] = await connection.fetch(sql, *arguments)
    finally:
        await connection.close()
    return found


async def settled(stack: Stack, story: Story) -> None:
    """Wait until nothing is on its way: webhooks received, facts handled, no points held."""
    pending = """
    SELECT (SELECT count(*) FROM receipts WHERE webhook_id = ANY($1::text[])) AS receipts,
           (SELECT count(*) FROM awards) AS orders,
           (SELECT count(*) FROM reversals WHERE is_applied) AS reversals,
           (SELECT count(*) FROM redemptions WHERE state = 'held') AS held,
           (SELECT count(*) FROM dead_letters) AS dead,
           (SELECT count(*) FROM spilled_webhooks) AS spilled
    """
    wanted = {
        "receipts": len(story.unique_ids),
        "orders": story.orders,
        "reversals": story.reversals,
        "held": 0,
        "dead": 0,
        "spilled": 0,
    }
    deadline, found = time.monotonic() + SETTLED_SECONDS, dict[str, int]()
    while found != wanted:
        assert time.monotonic() < deadline, f"found {found}, wanted {wanted}"
        await asyncio.sleep(0.5)
        found = dict((await fetch(stack, pending, list(story.unique_ids)))[0])


async def check_effects(stack: Stack, story: Story) -> None:
    """Every order earned once; members have what the story says less their codes."""
    rows = await fetch(stack, "SELECT count(*) AS earns FROM ledger WHERE effect = 'earn'")
    assert rows[0]["earns"] == story.orders
    wanted = Counter(story.earned)
    for discount in discounts(stack):
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


async def check_codes(stack: Stack, story: Story, answers: Answers) -> None:
    """Each code has its captured points, they have one code, nobody was told otherwise."""
    rows = await fetch(stack, "SELECT * FROM redemptions")
    by_key = {row["idempotency_key"]: row for row in rows}
    assert len(by_key) == len(rows), "a wish has two redemptions"
    at_shopify = Counter(
        (owner(discount), discount["code"], cost(discount))
        for discount in discounts(stack)
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
        assert states.get(wish.key) in {None, "released" if wish.member[1] == GHOST else "captured"}
    print(
        f"redemptions: {dict(Counter(states.values()))}, refused "
        f"{dict(Counter(answers.refused.values()))}"
    )


def discounts(stack: Stack) -> list[dict[str, Any]]:
    return [
        discount for shop in SHOPS for discount in stack.control("GET", f"shops/{shop}/discounts")
    ]


def owner(discount: dict[str, Any]) -> Member:
    return discount["shop"], str(discount["customer_ids"][0])


def cost(discount: dict[str, Any]) -> int:
    return {500: 100, 3000: 500}[discount["amount_cents"]]
