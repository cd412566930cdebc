"""A random story of many shops: orders, refunds, redemptions, and what they must come to."""

import json
import random
from collections import Counter
from dataclasses import dataclass, field

Member = tuple[str, str]  # shop and customer id
AT = "2026-11-20T10:00:00Z"


@dataclass(frozen=True)
class Webhook:
    shop: str
    topic: str
    webhook_id: str
    body: bytes


@dataclass(frozen=True)
class Wish:
    """Bob wants a reward; `times` is how often he presses the button at once, under one key."""

    member: Member
    cost: int
    key: str
    times: int


@dataclass
class Story:
    """Deliveries in their order, a tenth of them twice, and what each member has in the end."""

    deliveries: list[Webhook] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    earned: Counter[Member] = field(default_factory=Counter)
    orders: int = 0
    reversals: int = 0

    @property
    def unique_ids(self) -> set[str]:
        return {webhook.webhook_id for webhook in self.deliveries}


def tell(
    choose: random.Random, members: list[Member], webhooks: int, duplicate_ratio: float = 0.1
) -> Story:
    """`webhooks` distinct ones, shuffled: a third of orders refunded, a twelfth cancelled."""
    story = Story()
    while len(story.deliveries) < webhooks:
        _order(choose, choose.choice(members), story)
    for number in range(webhooks // 20):
        cost = choose.choice((100, 100, 500))
        story.wishes.append(
            Wish(choose.choice(members), cost, f"wish-{number:06d}", choose.choice((1, 1, 1, 3)))
        )
    story.deliveries += choose.sample(
        story.deliveries, int(len(story.deliveries) * duplicate_ratio)
    )
    choose.shuffle(story.deliveries)
    return story


def _order(choose: random.Random, member: Member, story: Story) -> None:
    shop, customer_id = member
    story.orders += 1
    amount, quantity, order_id = (
        choose.randrange(1, 90),
        choose.randrange(1, 5),
        10_000 + story.orders,
    )
    _send(
        story, shop, "orders/paid", f"o{order_id}", order(order_id, customer_id, amount, quantity)
    )
    left = quantity
    if choose.random() < 1 / 3:
        back = choose.randrange(1, quantity + 1)
        left -= back
        _send(
            story,
            shop,
            "refunds/create",
            f"r{order_id}",
            refund(500_000 + order_id, order_id, back),
        )
        story.reversals += 1
    if choose.random() < 1 / 12:
        left = 0
        _send(
            story,
            shop,
            "orders/cancelled",
            f"c{order_id}",
            {**order(order_id, customer_id, amount, quantity), "cancelled_at": AT},
        )
        story.reversals += 1
    story.earned[member] += amount * left


def _send(story: Story, shop: str, topic: str, webhook_id: str, payload: dict[str, object]) -> None:
    story.deliveries.append(Webhook(shop, topic, webhook_id, json.dumps(payload).encode()))


def order(order_id: int, customer_id: str, amount: int, quantity: int) -> dict[str, object]:
    """The payload of a paid order with one line of `quantity` pieces at `amount` each."""
    line = {"id": order_id * 10, "price": f"{amount}.00", "quantity": quantity, "gift_card": False}
    return {
        "id": order_id,
        "name": f"#{order_id}",
        "currency": "USD",
        "financial_status": "paid",
        "test": False,
        "processed_at": AT,
        "updated_at": AT,
        "customer": {
            "id": int(customer_id),
            "first_name": "Bob",
            "last_name": "B",
            "email": "bob@example.com",
        },
        "line_items": [{**line, "discount_allocations": []}],
    }


def refund(refund_id: int, order_id: int, quantity: int) -> dict[str, object]:
    """The payload of a refund of `quantity` pieces of that line."""
    line = {
        "id": refund_id * 10,
        "line_item_id": order_id * 10,
        "quantity": quantity,
        "subtotal": 1.5,
    }
    return {
        "id": refund_id,
        "order_id": order_id,
        "refund_line_items": [line],
        "order_adjustments": [],
    }
