"""Taxes inside prices, tips, and other currencies: amounts add up and have their digits."""

from typing import Any

import pytest

from tests.devstore.api.test_graphql import ask, needs_schema
from tests.devstore.conftest import SHOP, Store


async def settings(store: Store, **changed: Any) -> dict[str, Any]:
    body: dict[str, Any] = await store.control("POST", f"shops/{SHOP}/settings", changed)
    return body


def both(amount_set: dict[str, Any]) -> list[str]:
    return [
        f"{amount_set[name]['amount']} {amount_set[name]['currency_code']}"
        for name in ("shop_money", "presentment_money")
    ]


async def test_prices_include_their_tax(store: Store) -> None:
    await settings(store, taxes_included=True, tax_percent=20, tax_on_first_line=True)
    order = await store.order(lines=[{"price": "120.00"}])
    assert order["taxes_included"] is True
    assert store.shop.is_tax_on_first_line
    assert order["line_items"][0]["tax_lines"][0]["price"] == "20.00"
    assert [order[name] for name in ("subtotal_price", "total_tax", "total_price")] == [
        "120.00",
        "20.00",
        "120.00",
    ]
    refund = await store.control(
        "POST", f"shops/{SHOP}/orders/{order['id']}/refund", {"lines": "all"}
    )
    line = refund["refund_line_items"][0]
    assert [line["subtotal"], line["total_tax"]] == [120.0, 20.0]
    assert refund["transactions"][0]["amount"] == "120.00"


async def test_the_tax_of_all_lines_can_stand_on_the_first(store: Store) -> None:
    order = await store.order(
        lines=[{"price": "60.00"}, {"price": "60.00"}],
        taxes_included=True,
        tax_percent=20,
        tax_on_first_line=True,
    )
    taxes = [[one["price"] for one in line["tax_lines"]] for line in order["line_items"]]
    assert (taxes, order["total_tax"]) == ([["20.00"], []], "20.00")


async def test_tax_on_top_and_an_amount_of_it_given_back(store: Store) -> None:
    order = await store.order(lines=[{"price": "100.00"}], tax_percent=20)
    assert order["total_price"] == "120.00"
    refund = await store.control(
        "POST", f"shops/{SHOP}/orders/{order['id']}/refund", {"amount": "60.00"}
    )
    assert [one["amount"] for one in refund["order_adjustments"]] == ["-60.00"]
    now = await store.control("GET", f"shops/{SHOP}/orders/{order['id']}")
    assert now["current_total_price"] == "60.00"


@pytest.mark.parametrize(
    ("currency", "price", "smallest", "total"),
    [
        ("JPY", "500", "0", "500"),
        ("KWD", "1.250", "0.000", "1.250"),
        ("EUR", "5.00", "0.00", "5.00"),
    ],
)
async def test_a_currency_has_its_decimals(
    store: Store, currency: str, price: str, smallest: str, total: str
) -> None:
    await settings(store, currency=currency, tax_percent=0)
    order = await store.order(lines=[{"price": price}], shipping="0")
    assert (order["currency"], order["total_price"]) == (currency, total)
    assert order["line_items"][0]["price"] == price
    assert order["total_discounts"] == smallest
    assert both(order["total_price_set"]) == [f"{total} {currency}"] * 2
    refund = await store.control(
        "POST", f"shops/{SHOP}/orders/{order['id']}/refund", {"lines": "all"}
    )
    assert refund["refund_line_items"][0]["subtotal"] == float(price)


@pytest.mark.parametrize("price", ["1.5", "500.01"])
async def test_no_yen_has_a_part(store: Store, price: str) -> None:
    await settings(store, currency="JPY")
    body = {"lines": [{"price": price}]}
    answer = await store.http.post(f"/control/shops/{SHOP}/orders", json=body)
    assert answer.status_code == 422


async def test_the_customers_money_differs_from_the_shops(store: Store) -> None:
    await settings(store, tax_percent=0)
    order = await store.order(
        lines=[{"price": "10.00"}], shipping="0", presentment_currency="JPY", exchange_rate=150.5
    )
    assert [order["currency"], order["presentment_currency"]] == ["USD", "JPY"]
    assert both(order["total_price_set"]) == ["10.00 USD", "1505 JPY"]
    refund = await store.control(
        "POST", f"shops/{SHOP}/orders/{order['id']}/refund", {"amount": "2.00"}
    )
    assert both(refund["order_adjustments"][0]["amount_set"]) == ["-2.00 USD", "-301 JPY"]
    money = refund["transactions"][0]
    assert (money["amount"], money["currency"]) == ("301", "JPY")


@pytest.mark.parametrize("tip", ["gateway", "null", "tip"])
async def test_a_tip_is_in_the_total_alone_and_says_that_it_is_one(store: Store, tip: str) -> None:
    lines = [{"price": "50.00"}, {"title": "Tip", "price": "8.00", "tip": tip}]
    order = await store.order(lines=lines, tax_percent=10)
    assert [order[name] for name in ("subtotal_price", "total_tax", "total_tip_received")] == [
        "50.00",
        "5.00",
        "8.00",
    ]
    assert order["total_price"] == "63.00"
    goods, told = order["line_items"]
    expected = {"gateway": "shopify_payments", "null": None, "tip": "absent"}[tip]
    assert told.get("tip_payment_gateway", "absent") == expected
    assert ("tip" in told) is (tip == "tip")
    assert not {"tip", "tip_payment_gateway"} & goods.keys()


async def test_the_shop_tells_its_new_currency_and_zone(store: Store) -> None:
    told = await settings(
        store,
        currency="JPY",
        timezone="Asia/Tokyo",
        taxes_included=True,
        presentment_currency="USD",
    )
    await store.until(lambda: store.app.payloads("shop/update"))
    sent = store.app.payloads("shop/update")[0]
    assert sent == {**told, "updated_at": sent["updated_at"]}
    assert [sent[name] for name in ("currency", "iana_timezone", "taxes_included")] == [
        "JPY",
        "Asia/Tokyo",
        True,
    ]
    assert sent["timezone"] == "(GMT+09:00) Tokyo"
    assert sent["money_format"] == "¥{{amount_no_decimals}}"
    assert sent["enabled_presentment_currencies"] == ["JPY", "USD"]


@pytest.mark.parametrize(
    "body",
    [
        {"currency": "yen"},
        {"timezone": "Mars/Base"},
        {"timezone": "../etc/passwd"},
        {"tax_percent": 101},
        {"exchange_rate": 0},
        {"presentment_currency": "€"},
    ],
)
async def test_no_shop_is_like_that(store: Store, body: dict[str, Any]) -> None:
    answer = await store.http.post(f"/control/shops/{SHOP}/settings", json=body)
    assert (answer.status_code, bool(answer.json()["error"])) == (422, True)
    assert store.app.payloads("shop/update") == []


@needs_schema
async def test_the_admin_api_tells_both_currencies(store: Store) -> None:
    await store.order(
        lines=[{"price": "10.00"}],
        tax_percent=0,
        shipping="0",
        presentment_currency="KWD",
        exchange_rate=0.3075,
    )
    fields = "shopMoney { amount currencyCode } presentmentMoney { amount currencyCode }"
    query = f"{{ orders(first: 1) {{ nodes {{ currentTotalPriceSet {{ {fields} }} }} }} }}"
    nodes = (await ask(store, query)).json()["data"]["orders"]["nodes"]
    assert nodes[0]["currentTotalPriceSet"] == {
        "shopMoney": {"amount": "10.0", "currencyCode": "USD"},
        "presentmentMoney": {"amount": "3.075", "currencyCode": "KWD"},
    }
