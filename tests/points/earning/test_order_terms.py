"""What of orders earns by a merchant's choice, frozen when the order is: worked figures."""

import pytest

from app import db
from app.errors import BadInputError
from app.points.earning import actions, order_terms
from app.points.ledger.audit import verify
from tests.points import world
from tests.points.arrivals import sentences
from tests.points.world import ALICE, BOB, figures, handle, line, paid, refunded

pytestmark = pytest.mark.usefixtures("stores")
MUGS = {**line("30.00", 3, "mugs"), "product_id": "11"}
CUPS = {**line("10.00", 1, "cups"), "product_id": "12"}


async def points(customer: str = BOB) -> int:
    return (await figures(customer)).get("available", 0)


async def terms(**fields) -> None:
    await actions.ensure_program(ALICE, "USD", "UTC")
    await actions.edit_program(ALICE, {"order_terms": fields}, "alice")


@pytest.mark.parametrize(
    ("fields", "order", "expected"),
    [
        ({"products": "11, 99"}, {}, 10),
        ({"products": "https://admin.shopify.com/store/alice/products/12/"}, {}, 30),
        ({"tags": "Wholesale"}, {"tags": ["new", "wholesale"]}, 0),
        ({"tags": "Wholesale"}, {"tags": ["new"]}, 40),
        ({"channels": ["pos"]}, {"source": "pos"}, 0),
        ({"channels": ["draft"]}, {"source": "shopify_draft_order"}, 0),
        ({"channels": ["online"]}, {"source": "pos"}, 40),
        ({"channels": ["online"]}, {}, 0),
        ({"is_b2b_out": True}, {"is_b2b": True}, 0),
        ({"is_b2b_out": True}, {}, 40),
        ({"with_shipping": True}, {"shipping": "5.00", "shipping_tax": "1.00"}, 45),
        ({"with_shipping": True, "with_taxes": True}, {"shipping": "5", "shipping_tax": "1"}, 46),
        ({}, {"shipping": "5.00", "shipping_tax": "1.00"}, 40),
    ],
)
async def test_what_of_an_order_earns(fields, order, expected) -> None:
    await terms(**fields)
    await handle(paid("1", MUGS, CUPS, **order))
    assert await points() == expected


async def test_subscriptions_have_their_own_rate() -> None:
    await terms(subscription_rate="0.5")
    await handle(paid("1", MUGS, {**CUPS, "subscription": True}))
    assert await points() == 35
    assert "Subscriptions earn 0.5 a unit." in await sentences()
    await terms(subscription_rate="0")
    await handle(paid("2", {**CUPS, "subscription": True}))
    assert await points() == 35


async def test_taxes_count_where_the_merchant_says_so() -> None:
    await terms(with_taxes=True)
    await handle(paid("1", {**MUGS, "tax": "6.00"}, CUPS))
    assert await points() == 46
    await handle(refunded("1", "r1", {"mugs": 1}))
    assert await points() == 34
    await handle(refunded("1", "r2", {"mugs": 2, "cups": 1}))
    assert await points() == 0
    assert (await verify()).is_sound


async def test_shipping_that_is_given_back_takes_its_points_back() -> None:
    await terms(with_shipping=True)
    order = {"shipping": "5.00", "shipping_tax": "1.00"}
    await handle(paid("1", CUPS, **order))
    assert await points() == 15
    back = world.refunded("1", "r1", {"cups": 1})
    await handle(back)
    assert await points() == 5
    data = {"order_id": "1", "refund_id": "r2", "lines": [], "adjustment": "0", "shipping": "3.00"}
    await handle(world.fact("order.refunded", data))
    assert await points() == 2, "half of 5.00, rounded down"
    await handle(world.fact("order.refunded", {**data, "refund_id": "r3"}))
    assert await points() == 0


async def test_terms_that_change_later_change_nothing_of_an_order() -> None:
    await terms(products="11")
    await handle(paid("1", MUGS, CUPS))
    await terms(products="12")
    assert await points() == 10
    await handle(refunded("1", "r1", {"mugs": 3}))
    assert await points() == 10, "they had earned nothing"
    await handle(refunded("1", "r2", {"cups": 1}))
    assert await points() == 0


async def test_a_product_that_earns_nothing_earns_nothing_when_it_is_added_later() -> None:
    await terms(products="11")
    order = paid("1", CUPS, updated_at=world.days_ago(0.1).isoformat())
    await handle(order)
    more = paid("1", CUPS, MUGS, at=world.days_ago(0), updated_at=world.now().isoformat())
    await handle(more)
    assert await points() == 10


async def test_collections_count_by_what_is_known_of_them() -> None:
    await terms(collections="77")
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT due_at <= now() FROM collections")
        await conn.execute(
            "INSERT INTO collection_products (shop, collection_id, product_id) "
            "VALUES ($1, '77', '11'), ('charlie.myshopify.com', '77', '12')",
            ALICE,
        )
    await handle(paid("1", MUGS, CUPS))
    assert await points() == 10


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"products": "mugs"}, "the digits at the end"),
        ({"products": ["1"] * 2 + [str(one) for one in range(200)]}, "at most 100 products"),
        ({"collections": "1" * 30}, "more than 20 digits"),
        ({"tags": "x" * 300}, "at most 255 characters"),
        ({"channels": ["online", "pos", "draft"]}, "No order would earn anything"),
        ({"subscription_rate": "-1"}, "a rate from 0"),
        ({"subscription_rate": "1.23456"}, "at most four decimals"),
        ({"subscription_rate": "much"}, "at most four decimals"),
    ],
)
async def test_terms_that_make_no_sense_are_refused_with_a_sentence(fields, sentence) -> None:
    with pytest.raises(BadInputError, match=sentence):
        order_terms.checked(fields)
