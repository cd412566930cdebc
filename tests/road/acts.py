"""What is done in a shop to make each input of the table: each answers whose points are to be
right, and a few look at what else is to be seen.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any

from tests.road.door import Door, until

LONG_TOPICS = ("orders/partially_fulfilled", "customers/purchasing_summary")
Make = Callable[[Door], Awaitable[str]]
Look = Callable[[Door, str], Awaitable[None]]


def line(price: str, quantity: int = 1, title: str = "Mug", **more: Any) -> dict[str, Any]:
    return {"title": title, "price": price, "quantity": quantity, **more}


def pieces(order: dict[str, Any], quantity: int, number: int = 0) -> list[dict[str, Any]]:
    return [{"line_id": order["line_items"][number]["id"], "quantity": quantity}]


def bought(*lines: dict[str, Any], **fields: Any) -> Make:
    """Bob buys that, and no more happens."""

    async def make(door: Door) -> str:
        bob = await door.customer()
        await door.order(bob, *lines, **fields)
        await door.arrive()
        return bob

    return make


async def partly_sent(door: Door) -> str:
    bob = await door.customer()
    order = await door.order(bob, line("10.00", 2))
    await door.act(order, "fulfill", lines=pieces(order, 1))
    await door.control("POST", f"shops/{door.shop}/customers/{bob}/purchases")
    await door.arrive()
    return bob


async def recorded(door: Door, bob: str) -> None:
    for topic in LONG_TOPICS:
        assert set(await door.outcomes(topic)) == {"unknown"}, topic


async def taxed_on_the_first_line(door: Door) -> str:
    bob = await door.customer()
    lines = [line("60.00"), line("60.00", title="Tea")]
    taxed = {"tax_percent": 20, "taxes_included": True, "tax_on_first_line": True}
    order = await door.order(bob, *lines, **taxed)
    await door.act(order, "refund", lines=pieces(order, 1, number=1))
    await door.arrive()
    return bob


# d, e


async def line_added(door: Door) -> str:
    bob = await door.customer()
    order = await door.order(bob, line("60.00"))
    await door.act(order, "edit", add=[line("25.00", title="Cup")])
    await door.act(order, "pay")
    await door.arrive()
    return bob


async def pieces_added_and_back(door: Door) -> str:
    bob = await door.customer()
    order = await door.order(bob, line("50.00"))
    await door.act(order, "edit", quantities=pieces(order, 3))
    await door.act(order, "pay")
    await door.act(order, "refund", lines=pieces(order, 2))
    await door.arrive()
    return bob


# f


async def exchanged(door: Door) -> str:
    bob = await door.customer()
    order = await door.order(bob, line("100.00"))
    await door.act(order, "exchange", back=pieces(order, 1), lines=[line("250.00", title="Teapot")])
    await door.act(order, "pay")
    await door.arrive()
    return bob


async def swapped_evenly(door: Door) -> str:
    bob = await door.customer()
    order = await door.order(bob, line("100.00"))
    blue = line("100.00", title="Mug, blue")
    await door.act(order, "edit", add=[blue], quantities=pieces(order, 0))
    await door.arrive()
    return bob


# g, s


def attached(guest_as: str = "null", *, paid_again: bool = False) -> Make:
    async def make(door: Door) -> str:
        bob = await door.customer()
        order = await door.order(None, line("40.00"), source="pos", guest_as=guest_as)
        await door.act(order, "attach", customer_id=bob, paid_again=paid_again)
        await door.arrive()
        return bob

    return make


async def half_a_character(door: Door) -> str:
    bob = await door.customer(half_emoji="on")
    await door.order(bob, line("10.00"))
    await door.arrive()
    return bob


async def name_mended(door: Door, bob: str) -> None:
    async def shown() -> bool:
        return "Bob\ufffd" in (await door.page(f"/customers/{bob}")).replace(" \ufffd", "\ufffd")

    await until(shown)


# h, m, o


async def expired(door: Door) -> str:
    bob = await door.customer()
    old = await door.order(bob, line("100.00"), days_ago=40)
    await door.order(bob, line("80.00"))
    await door.arrive()
    await door.has(bob, available=80)
    await door.act(old, "refund", lines="all")
    await door.arrive()
    return bob


async def owes_nothing(door: Door, bob: str) -> None:
    assert "Owed" not in await door.page(f"/customers/{bob}")


async def paid_late(door: Door) -> str:
    bob = await door.customer()
    order = await door.order(bob, line("80.00"), days_ago=45, paid=False)
    await door.act(order, "pay")
    await door.arrive()
    return bob


async def in_two_weeks(door: Door, bob: str) -> None:
    (coming,) = (await door.me(bob))["coming"]
    days = (date.fromisoformat(coming["on"]) - datetime.now(UTC).date()).days
    assert coming["points"] == 80
    assert 13 <= days <= 15, "in the shop's zone it may be another day"


async def of_an_older_rule(door: Door) -> str:
    await door.rules(rate="5")
    bob = await door.customer()
    await door.order(bob, line("20.00"))
    # an order is told by the second, and a rule made within it counts already
    await asyncio.sleep(1)
    await door.rules(rate="1")
    await door.arrive()
    return bob


# i, k, n


async def goods_first_money_later(door: Door) -> str:
    bob = await door.customer()
    order = await door.order(bob, line("50.00", 2))
    await door.act(order, "refund", lines=pieces(order, 1), money="0")
    await door.act(order, "refund", amount="50.00")
    await door.arrive()
    return bob


def amount_back(price: str, amount: str, tax_percent: float = 0, **told: Any) -> Make:
    async def make(door: Door) -> str:
        bob = await door.customer()
        order = await door.order(bob, line(price), tax_percent=tax_percent)
        await door.act(order, "refund", amount=amount, **told)
        await door.arrive()
        return bob

    return make


async def taken_out_before_payment(door: Door) -> str:
    bob = await door.customer()
    order = await door.order(bob, line("50.00", 3), paid=False)
    await door.act(order, "edit", quantities=pieces(order, 2))
    await door.act(order, "pay")
    await door.arrive()
    return bob


async def taken_out_after_payment(door: Door) -> str:
    bob = await door.customer()
    order = await door.order(bob, line("50.00", 3))
    await door.act(order, "edit", quantities=pieces(order, 2))
    await door.act(order, "refund", amount="50.00")
    await door.act(order, "tell", topics=["orders/paid"])
    await door.arrive()
    return bob


async def refunded_while_held(door: Door) -> str:
    bob = await door.customer()
    order = await door.order(bob, line("100.00"))
    await door.arrive()
    await door.has(bob, available=100)

    async def offered() -> list[dict[str, Any]]:
        rewards: list[dict[str, Any]] = (await door.me(bob))["rewards"]
        return rewards

    reward = next(
        one["id"] for one in await until(offered, lambda: door.shop) if one["cost"] == 100
    )
    await door.control("POST", "shopify", {"mode": "gone", "shop": door.shop})
    wish = {"reward_id": reward, "idempotency_key": str(uuid.uuid4())}
    answer = await door.proxy("POST", "/storefront/redemptions", bob, json=wish)
    assert answer.status_code == 202, answer.text
    await door.act(order, "refund", lines="all")
    await door.arrive()
    await door.has(bob, held=100)
    await door.control("POST", "shopify", {"mode": "refuse", "shop": door.shop})
    await door.has(bob, held=0)
    return bob


async def before_the_opening(door: Door) -> str:
    bob = await door.customer()
    await door.order(bob, line("40.00"))
    await door.deliver()
    await door.open()
    await door.handled()
    return bob


# r


async def merged(door: Door) -> str:
    kept, gone = await door.customer(), await door.customer("Bobby")
    order = await door.order(gone, line("50.00", 2))
    await door.order(kept, line("40.00"))
    await door.control("POST", f"shops/{door.shop}/customers/{gone}/merge", {"into": kept})
    await door.act(order, "refund", lines=pieces(order, 1))
    await door.arrive()
    await door.has(gone, available=0, pending=0, held=0)
    return kept


async def deleted(door: Door) -> str:
    bob = await door.customer()
    order = await door.order(bob, line("100.00"))
    await door.order(bob, line("20.00"))
    await door.act(order, "delete")
    await door.arrive()
    return bob


async def taken_out(door: Door) -> str:
    bob = await door.customer()
    order = await door.order(bob, line("50.00", 3))
    await door.act(order, "edit", quantities=pieces(order, 2))
    await door.arrive()
    return bob


async def moved_to_japan(door: Door) -> str:
    bob = await door.customer()
    japan = {"currency": "JPY", "timezone": "Asia/Tokyo"}
    await door.control("POST", f"shops/{door.shop}/settings", japan)
    await door.order(bob, line("500"))
    await door.arrive()
    return bob


async def in_yen(door: Door, bob: str) -> None:
    assert (await door.me(bob))["time_zone"] == "Asia/Tokyo"
    assert "¥" in await door.page("/program")
