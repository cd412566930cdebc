"""A grant follows its order: to whom it gives, by which rule, and what time, rewards and merged
customers do to it.
"""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from app import db
from app.flow import event as envelope
from app.points.earning import actions as earning
from app.points.ledger import expiry
from app.points.ledger.audit import verify
from app.points.rewards import actions as rewards
from app.points.rewards import offers, settling
from tests.points.arrivals import come_to, sentences
from tests.points.webhooks import Shop, Webhook, adjustment, events, line, tell
from tests.points.world import ALICE, BOB, days_ago, figures, now, one, program

pytestmark = pytest.mark.usefixtures("stores")


@pytest.mark.parametrize("topic", ["orders/updated", "orders/paid"])
async def test_a_sale_earns_once_its_customer_is_attached(topic: str) -> None:
    def make(shop: Shop) -> Sequence[Webhook]:
        shop.customer = None
        sold = line("40.00")
        at_the_till = shop.order("orders/paid", sold, customer={})
        shop.customer = int(BOB)
        return [at_the_till, shop.order(topic, sold)]

    await come_to(make, 40, may_miss=[0])


async def test_an_order_that_gets_another_customer_takes_its_points_there() -> None:
    shop, sold = Shop(), line("40.00", 2)
    await tell(shop.order("orders/paid", sold), shop.refund([(sold, 1)]))
    shop.customer = 7002
    await tell(shop.order("orders/updated", sold))
    assert (await figures(), await figures("7002")) == (
        {"reversed": 80},
        {"available": 40, "reversed": 40},
    )
    assert (await verify()).is_sound


async def test_what_has_expired_is_gone_once() -> None:
    await program(expiry_days=30, clawback="debt")
    first, second = Shop(now=days_ago(40)), Shop(order_id=5002)
    sold = line("100.00")
    await tell(first.order("orders/paid", sold))
    await expiry.expire_due(now())
    await tell(second.order("orders/paid", line("80.00")))
    first.now = now()
    back = first.refund([(sold, 1)])
    await tell(back, back)
    assert await figures() == {"available": 80, "expired": 100}
    assert (await verify()).is_sound


async def test_of_what_was_partly_spent_only_that_is_asked_back(stores: db.Stores) -> None:
    await program(expiry_days=30, clawback="debt")
    shop, sold = Shop(now=days_ago(40)), line("25.00", 4)
    reward = await offers.save_reward(ALICE, None, "A reward", 60, "1.00")
    await tell(shop.order("orders/paid", sold))
    async with db.transaction() as conn:  # it was spent while it was there
        await conn.execute("UPDATE lots SET expires_at = NULL")
    held = await rewards.redeem(ALICE, BOB, reward.id, "key", "r")
    await settling.capture(stores, held.id, "gid://shopify/DiscountCodeNode/1")
    async with db.transaction() as conn:
        await conn.execute("UPDATE lots SET expires_at = now(), due_at = now()")
    await expiry.expire_due(now() + timedelta(seconds=1))
    shop.now = now()
    for _ in range(4):
        await tell(shop.refund([(sold, 1)]))
    assert await figures() == {"spent": 60, "expired": 40, "reversed": 60, "debt": 60}
    assert (await verify()).is_sound


async def test_hold_back_and_expiry_count_from_payment() -> None:
    await program(pending_days=14, expiry_days=30)
    shop = Shop(placed=days_ago(45))
    unpaid = shop.order("orders/create", line("80.00", 1, 77), status="pending")
    paid = shop.order("orders/paid", line("80.00", 1, 77))
    await tell(unpaid, paid)
    assert await figures() == {"pending": 80}
    await expiry.end_hold_backs(now() + timedelta(days=14))
    await expiry.expire_due(now() + timedelta(days=43))
    assert await figures() == {"available": 80}
    await expiry.expire_due(now() + timedelta(days=46))
    assert await figures() == {"expired": 80}


async def test_a_clock_that_is_ahead_of_ours_changes_nothing_about_what_was_said_last() -> None:
    def make(shop: Shop) -> Sequence[Webhook]:
        shop.now, sold = now() + timedelta(seconds=30), line("50.00", 3, 77)
        less = {**sold, "current_quantity": 2}
        return [
            shop.order("orders/create", sold, status="pending", outstanding="150.00"),
            shop.order("orders/updated", less, status="pending", outstanding="100.00"),
            shop.order("orders/paid", less),
        ]

    await come_to(make, 100, may_miss=[0, 1])
    latest = await one("SELECT max(effective_at) FROM ledger")
    assert latest <= now(), "nothing has happened in our future"


async def test_the_rule_is_that_of_the_time_the_order_was_placed() -> None:
    await program(rate=5)
    async with db.transaction() as conn:
        await conn.execute("UPDATE program_versions SET created_at = now() - interval '9 days'")
    await earning.edit_program(ALICE, {"rate": "1"}, "Alice")
    late = Shop(now=days_ago(3))
    sold = line("10.00", 2)
    await tell(late.order("orders/paid", sold))
    assert await figures() == {"available": 100}
    await tell(late.refund([(sold, 1)]))
    assert await figures() == {"available": 50, "reversed": 50}
    await tell(Shop(order_id=5002, now=days_ago(20)).order("orders/paid", line("1.00")))
    assert (await figures())["available"] == 55, "before there was any rule, the first one"
    today = Shop(order_id=5003, now=now())
    await tell(today.order("orders/paid", line("7.00")))
    assert (await figures())["available"] == 62


async def test_points_refunded_while_held_for_a_reward_do_not_come_back(stores: db.Stores) -> None:
    reward = await offers.save_reward(ALICE, None, "A reward", 100, "5.00")
    shop, sold = Shop(), line("100.00")
    await tell(shop.order("orders/paid", sold))
    held = await rewards.redeem(ALICE, BOB, reward.id, "key", "r")
    await tell(shop.refund([(sold, 1)]))
    await tell(shop.order("orders/updated", sold))  # as staff who tag it do
    assert await figures() == {"held": 100}
    for _ in range(2):
        await settling.give_back(stores, held.id, "Shopify said no.")
    assert await figures() == {"reversed": 100}
    assert await one("SELECT count(*) FROM grants WHERE forgiven > 0 OR unmet > 0") == 0
    assert (await verify()).is_sound


async def test_other_points_come_back_from_a_reward(stores: db.Stores) -> None:
    reward = await offers.save_reward(ALICE, None, "A reward", 150, "5.00")
    shop, sold = Shop(), line("50.00", 2)
    await tell(shop.order("orders/paid", sold))
    await tell(Shop(order_id=5002).order("orders/paid", line("60.00")))
    held = await rewards.redeem(ALICE, BOB, reward.id, "key", "r")
    await tell(shop.refund([(sold, 1)]))
    assert await figures() == {"held": 150, "reversed": 10}
    await settling.give_back(stores, held.id, "Shopify said no.")
    assert await figures() == {"available": 110, "reversed": 50}
    assert (await verify()).is_sound


def merge(kept: str, gone: str, status: str = "completed") -> dict[str, Any]:
    return {
        "admin_graphql_api_customer_kept_id": f"gid://shopify/Customer/{kept}",
        "admin_graphql_api_customer_deleted_id": f"gid://shopify/Customer/{gone}",
        "admin_graphql_api_job_id": None,
        "status": status,
        "errors": [],
    }


async def test_merged_customers_have_their_points_together(stores: db.Stores) -> None:
    await program(clawback="debt")
    reward = await offers.save_reward(ALICE, None, "A reward", 30, "5.00")
    sold, other = line("100.00", 2), line("40.00")
    of_bob, of_other = Shop(), Shop(order_id=5002, customer=7002)
    await tell(of_bob.order("orders/paid", other), of_other.order("orders/paid", sold))
    held = await rewards.redeem(ALICE, "7002", reward.id, "key", "r")
    merging = of_bob.told("customers/merge", merge(BOB, "7002"))
    failed = of_bob.told("customers/merge", merge(BOB, "7002", "failed"))
    await tell(failed)
    assert await figures() == {"available": 40}
    await tell(merging, merging)
    assert (await figures(), await figures("7002")) == ({"available": 210, "held": 30}, {})
    await settling.give_back(stores, held.id, "Shopify said no.")
    await tell(of_other.refund([(sold, 1)]))
    late = Shop(order_id=5003, customer=7002).order("orders/paid", line("5.00"))
    await tell(late, merging)
    assert await figures() == {"available": 145, "reversed": 100}
    assert await one("SELECT merged_into FROM customers WHERE customer_id = '7002'") == BOB
    report = await verify()
    assert report.is_sound, report.problems
    assert "came from customer 7002" in await sentences()


async def test_debts_and_chains_of_merges_come_together_too() -> None:
    await program(clawback="debt")
    shop, sold = Shop(customer=7002), line("100.00")
    await tell(shop.order("orders/paid", sold))
    async with db.transaction() as conn:
        await conn.execute("UPDATE lots SET remaining = 0, due_at = NULL")
        await conn.execute("UPDATE members SET available = 0, spent = 100")
        await conn.execute("UPDATE ledger SET to_bucket = 'spent'")
    await tell(shop.refund([(sold, 1)]))
    await tell(Shop(order_id=5002).order("orders/paid", line("130.00")))
    await tell(shop.told("customers/merge", merge("7003", "7002")))
    assert await figures("7003") == {"spent": 100, "reversed": 100, "debt": 100}
    await tell(shop.told("customers/merge", merge(BOB, "7003")))
    assert await figures() == {"available": 30, "spent": 100, "reversed": 100}
    shop.order_id = 5004
    await tell(shop.order("orders/paid", line("1.00")))
    assert (await figures())["available"] == 31, "the first of three is the third by now"
    await tell(shop.told("customers/merge", merge("7002", BOB)))
    assert (await figures())["available"] == 31, "a circle moves nothing"


async def test_a_deleted_order_gives_nothing_and_an_edit_takes_out_what_it_says() -> None:
    shop, sold = Shop(), line("50.00", 2)
    edit = {
        "id": 1,
        "order_id": 5001,
        "committed_at": shop.now.isoformat(),
        "line_items": {"additions": [], "removals": [{"id": sold["id"], "delta": 1}]},
    }
    edited = shop.told("orders/edited", {"order_edit": edit})
    await come_to(
        lambda one: [
            one.order("orders/paid", sold),
            one.told("orders/edited", {"order_edit": edit}),
        ],
        50,
    )
    await tell(shop.order("orders/paid", sold), edited)
    assert await figures() == {"available": 50, "reversed": 50}
    gone = shop.told("orders/delete", {"id": 5001})
    await tell(gone, gone)
    assert await figures() == {"reversed": 100}
    assert (await verify()).is_sound


async def test_a_programme_follows_the_currency_and_the_zone_of_its_shop() -> None:
    await earning.ensure_program(ALICE, "USD", "UTC")
    told = {"id": 1, "plan_name": "basic", "myshopify_domain": ALICE, "name": "Alice"}
    update = {
        **told,
        "currency": "JPY",
        "iana_timezone": "Asia/Tokyo",
        "updated_at": days_ago(1).isoformat(),
    }
    await tell(Shop().told("shop/update", update), Shop().told("shop/update", update))
    assert await one("SELECT max(version) FROM program_versions") == 2
    silent = {**told, "currency": "nonsense", "iana_timezone": None}
    late = {**update, "currency": "EUR", "updated_at": days_ago(2).isoformat()}
    await tell(Shop().told("shop/update", silent), Shop().told("shop/update", late))
    async with db.connection() as conn:
        row = await conn.fetchrow("SELECT * FROM program_versions ORDER BY version DESC LIMIT 1")
    assert (row["version"], row["currency"], row["timezone"]) == (2, "JPY", "Asia/Tokyo")
    other = Shop("other.myshopify.com").told("shop/update", {**update, "myshopify_domain": None})
    await tell(other)
    assert await one("SELECT count(*) FROM program_versions") == 2, "it has not opened the app"


@pytest.mark.parametrize("customer", [{}, {"id": None, "first_name": "Bob"}, None])
async def test_an_order_of_nobody_known_is_a_guests(customer: Any) -> None:
    await tell(Shop().order("orders/paid", line("10.00"), customer=customer))
    assert await one("SELECT outcome FROM grants") == "guest"
    assert await one("SELECT count(*) FROM members") == 0


async def test_half_a_character_in_a_name_is_mended() -> None:
    whole = Shop().order("orders/paid", line("10.00"))
    broken = whole.body.replace(b'"Bob"', rb'"Bob \ud83d\ud83d\ude00 \\ud83d"')
    await tell(Webhook("orders/paid", broken))
    assert await figures() == {"available": 10}
    assert await one("SELECT name FROM customers") == "Bob \ufffd\U0001f600 \\ud83d Buyer"


def test_a_refund_of_the_release_before_is_read_as_it_was_meant() -> None:
    told = {"order_id": "1", "refund_id": "9", "lines": [], "adjustment_amount": "5.00"}
    body = json.loads(envelope.encode(envelope.new("order.refunded", ALICE, ALICE, told, trace="")))
    found = envelope.decode(json.dumps({**body, "version": 1}).encode())
    assert json.loads(bytes(found.data))["adjustment"] == "-5.00"
    assert events(Shop().refund([], [adjustment("-5.00")]))[0].version == 2
