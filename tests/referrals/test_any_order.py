"""Random lives of friends' orders: whatever order their facts come in, and however often, what they
come to is the same.
"""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from app import db
from app.db import Stores
from app.flow.event import Event
from tests.points.world import ALICE, fact, now
from tests.referrals.world import claim, handle, link_of, offer, order, referral

LIVES = 25


def life(dice: random.Random, start: datetime) -> list[Event]:
    """Some orders of a friend, in the order in which they happened."""
    told: list[Event] = []
    at = start
    for number in range(dice.randrange(1, 4)):
        at += timedelta(seconds=dice.randrange(1, 5))
        name = f"{number + 1}"
        amount = dice.choice(("8.00", "25.00", "60.00"))
        more: dict[str, Any] = {"amount": amount, "at": at}
        if dice.random() < 0.3:
            told.append(order(name, topic="order.created", financial_status="pending", **more))
        told.append(order(name, **more))
        if dice.random() < 0.4:
            at += timedelta(seconds=1)
            back = {"order_id": name, "refund_id": f"r{name}", "adjustment": "0"}
            back["lines"] = [{"line_id": "l1", "quantity": 1}]
            told.append(fact("order.refunded", back, ALICE, at))
        if dice.random() < 0.2:
            ended = {"order_id": name, "cancelled_at": at.isoformat()}
            told.append(fact("order.cancelled", ended, ALICE, at))
    return told


async def outcome(stores: Stores, told: list[Event]) -> tuple[Any, ...]:
    """What all of it comes to, from the same claim."""
    async with db.connection() as conn:
        await conn.execute("DELETE FROM referral_orders; DELETE FROM referral_people")
        await conn.execute(
            "UPDATE referrals SET state = 'claimed', verdict = 'allow', order_id = '', "
            "order_name = '', order_net = NULL, ordered_at = NULL, friend_id = '', reasons = '[]'"
        )
    for event in told:
        await handle(stores, event)
    row = await referral()
    return tuple(row[name] for name in ("state", "verdict", "order_id", "ordered_at"))


@pytest.mark.parametrize("seed", range(3))
async def test_facts_in_any_order_with_duplicates_come_to_the_same(
    stores: Stores, seed: int
) -> None:
    await offer(order_minimum=20)
    await claim(stores, await link_of(stores))
    dice = random.Random(seed)
    seen = set()
    for _ in range(LIVES // 3):
        told = life(dice, now())
        as_it_was = await outcome(stores, told)
        mixed = [*told, *dice.sample(told, len(told) // 2)]
        dice.shuffle(mixed)
        assert await outcome(stores, mixed) == as_it_was, [event.topic for event in mixed]
        seen.add(as_it_was[0])
    assert seen == {"claimed", "ordered"}
