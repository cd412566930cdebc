"""What must not be kept any longer is not: a redacted customer's webhooks, a redacted shop's."""

import json
from typing import Any

import pytest

from app import db
from app.flow.bus.log import part_of
from app.flow.kept import redaction
from tests.flow.kept.kept import item, kept, rows, take_in
from tests.points.webhooks import Shop, Webhook, line
from tests.points.world import ALICE

BOB, CHARLIE = 7001, 70010
pytestmark = pytest.mark.usefixtures("stores")


def order(number: int, customer: int | None = BOB, shop: str = ALICE) -> Webhook:
    return Shop(shop=shop, order_id=number, customer=customer).order("orders/paid", line("10.00"))


def asked(topic: str, shop: str = ALICE, **more: Any) -> Webhook:
    return Webhook(topic, json.dumps({"shop_domain": shop, **more}).encode(), shop)


async def orders_kept() -> set[tuple[str, int]]:
    return {(one.shop, json.loads(one.body)["id"]) for one in await kept()}


def neighbour() -> str:
    names = (f"bob-{number}.myshopify.com" for number in range(1_000))
    return next(name for name in names if part_of(name) == part_of(ALICE))


async def test_a_customers_webhooks_go_and_everybody_elses_stay() -> None:
    other = neighbour()
    everything = [
        item(order(1)),
        item(order(2, CHARLIE)),  # a number that begins with Bob's
        item(order(3, None)),  # a guest's, whom the request names by the order
        item(order(4, None)),
        item(order(5, shop=other)),  # another shop has a customer of the same number
    ]
    await take_in(*everything)
    assert len(await rows()) == 1, "they stand in one row for this test to mean anything"
    digests = (await rows())[0].digests()
    await take_in(
        item(asked("customers/redact", customer={"id": BOB}, orders_to_redact=[3])),
    )
    assert await redaction.work() == 1
    assert await orders_kept() == {(ALICE, 2), (ALICE, 4), (other, 5)}
    (left,) = await rows()
    assert left.digests() == [digests[1], digests[3], digests[4]]
    assert await redaction.work() == 0


async def test_a_shops_webhooks_all_go_row_by_row(monkeypatch) -> None:
    monkeypatch.setattr(redaction, "ROWS_AT_ONCE", 2)
    other = neighbour()
    for number in range(1, 8):
        await take_in(item(order(number)), item(order(number, shop=other)))
    await take_in(item(order(8)))
    await take_in(item(asked("shop/redact")))
    await redaction.work()
    assert {shop for shop, _ in await orders_kept()} == {other}
    assert len(await rows()) == 7
    async with db.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM body_redactions") == 0
        shops = await connection.fetch("SELECT shops FROM webhook_bodies")
    assert {tuple(row["shops"]) for row in shops} == {(other,)}


async def test_a_redaction_that_ended_in_the_middle_goes_on(monkeypatch) -> None:
    monkeypatch.setattr(redaction, "ROWS_AT_ONCE", 2)
    for number in range(1, 6):
        await take_in(item(order(number)))
    await take_in(item(asked("customers/redact", customer={"id": BOB}, orders_to_redact=[])))
    assert await redaction.step() == 2
    assert len(await rows()) == 3
    await redaction.work()
    assert await rows() == []


async def test_a_redaction_that_names_nobody_takes_nothing() -> None:
    await take_in(item(order(1)))
    await take_in(item(asked("customers/redact", customer={"id": None}, orders_to_redact=[])))
    await redaction.work()
    assert await orders_kept() == {(ALICE, 1)}
