"""What today's translation says otherwise is told again, once; what it says as before is not."""

import asyncio
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from app import db
from app.flow.bus import log as fact_log
from app.flow.event import Event
from app.flow.kept import retranslation
from app.flow.kept.retranslation import ChangedMeanwhileError, Difference, Place, Window
from app.flow.lanes.translation import Translate
from app.shopify import fields, payloads
from tests.flow.helpers import written
from tests.flow.kept.kept import INCLUDED, changed, item, take_in, with_tax_counted
from tests.points.webhooks import Shop, Webhook, line
from tests.points.world import ALICE

BEGINNING = Place()
CHARLIE, DORA = "charlie.myshopify.com", "dora.myshopify.com"
pytestmark = pytest.mark.usefixtures("stores")


async def everybody(shops: Iterable[str]) -> set[str]:
    return set(shops)


async def nobody(_shops: Iterable[str]) -> set[str]:
    return set()


def taxed(number: int, shop: str = ALICE) -> Webhook:
    asking = Shop(shop=shop, order_id=number, taxes_included=True)
    return asking.order("orders/paid", line("120.00", tax="20.00"))


def window(shop: str = "", *, hours: float = 12, is_whole: bool = False) -> Window:
    now = datetime.now(UTC)
    return Window(now - timedelta(hours=hours), now, shop, "Tax was counted.", is_whole)


async def found(
    asked: Window, translate: Translate = payloads.translate, known=everybody, place=BEGINNING
) -> list[Difference]:
    return [one async for one in retranslation.walk(asked, place, translate, known)]


async def tell(differences: Iterable[Difference]) -> None:
    for one in differences:
        async with db.transaction() as connection:
            await retranslation.tell(connection, one)


def events(differences: Iterable[Difference]) -> list[Event]:
    return [event for one in differences for event in one.events]


async def corrections() -> list[dict[str, object]]:
    said = [msgspec.json.decode(one.data) for one in await written()]
    return [one for one in said if "corrected" in one]


async def test_what_is_said_as_before_is_not_told_again() -> None:
    await take_in(*(item(taxed(number)) for number in range(1, 6)))
    differences = await found(window())
    assert sum(one.webhooks for one in differences) == 5
    assert events(differences) == []


async def test_what_is_said_otherwise_is_told_again_once_with_the_reason() -> None:
    right, wrong = [item(taxed(number)) for number in (1, 2)], item(taxed(3))
    await take_in(*right)
    await take_in(wrong, translate=with_tax_counted)
    before = (await written())[-1]
    differences = await found(window())
    assert (sum(one.webhooks for one in differences), len(events(differences))) == (3, 1)
    await tell(differences)
    after = (await written())[-1]
    assert (after.topic, after.trace, after.occurred_at) == (
        before.topic,
        before.trace,
        before.occurred_at,
    )
    (said,) = await corrections()
    assert said["corrected"] == "Tax was counted."
    assert said["lines"] == [
        {
            "line_id": said["lines"][0]["line_id"],
            "quantity": 1,
            "amount": "100.00",
            "gift_card": False,
            "tax": "20.00",
            "title": "Mug",
        }
    ]
    again = await found(window())
    assert events(again) == []
    assert [one for one in again if one.rows] == []


async def test_only_the_asked_shop_and_time_are_translated_again() -> None:
    for one in (
        item(taxed(1)),
        item(taxed(2), hours_ago=30),
        item(taxed(3, CHARLIE)),  # in the same partition
        item(taxed(4, DORA)),
    ):
        await take_in(one, translate=with_tax_counted)
    assert {one.shop for one in events(await found(window()))} == {ALICE, CHARLIE, DORA}
    for shop in (ALICE, CHARLIE, DORA):
        differences = await found(window(shop))
        assert [one.shop for one in events(differences)] == [shop]
        assert sum(one.webhooks for one in differences) == 1
    assert len(events(await found(window(ALICE, hours=48)))) == 2


async def test_a_window_is_gone_on_with_where_it_was_left(monkeypatch) -> None:
    monkeypatch.setattr(retranslation, "ROWS_AT_ONCE", 2)
    for shop in (ALICE, DORA):
        for number in range(1, 6):
            await take_in(item(taxed(number, shop)), translate=with_tax_counted)
    whole = await found(window())
    assert len(events(whole)) == 10
    for at, one in enumerate(whole):
        rest = await found(window(), place=one.place)
        assert len(events(rest)) == len(events(whole[at + 1 :]))
        assert len(events(await found(window(DORA), place=one.place))) <= 5
    assert events(await found(window(DORA), place=whole[-1].place)) == []


async def test_with_the_whole_window_also_what_is_said_as_before_is_told() -> None:
    await take_in(item(taxed(1)), item(Webhook("carts/update", b'{"a": 1}')))
    differences = await found(window(is_whole=True))
    assert len(events(differences)) == 1
    await tell(differences)
    assert len(await corrections()) == 1


async def test_what_cannot_be_translated_any_more_is_counted_and_stays_as_it_was() -> None:
    await take_in(item(taxed(1)))

    def fails(_item: object) -> list[fields.Fact]:
        raise ValueError("A fault of ours.")

    differences = await found(window(is_whole=True), translate=fails)
    assert (sum(one.failed for one in differences), events(differences)) == (1, [])


async def test_a_topic_that_was_not_understood_is_told_once_it_is() -> None:
    await take_in(item(taxed(1)), translate=lambda _item: [])
    await tell(await found(window()))
    assert len(await corrections()) == 1
    async with db.connection() as connection:
        assert await connection.fetchval("SELECT outcome FROM receipts") == "facts"
    assert events(await found(window())) == []


async def test_a_shop_that_is_not_known_is_not_told_of() -> None:
    await take_in(item(taxed(1)), translate=lambda _item: [])
    assert events(await found(window(), known=nobody)) == []
    assert len(events(await found(window()))) == 1


async def test_what_a_shop_says_of_itself_is_not_told_again() -> None:
    said = b'{"id": 1, "plan_name": "basic", "myshopify_domain": "alice.myshopify.com"}'
    await take_in(item(Webhook("shop/update", said)), translate=lambda _item: [])
    differences = await found(window(is_whole=True))
    assert (sum(one.different for one in differences), events(differences)) == (1, [])


async def test_two_at_once_tell_it_once() -> None:
    for number in range(1, 6):
        await take_in(item(taxed(number)), translate=with_tax_counted)
    both = await found(window()), await found(window())
    ended = await asyncio.gather(*map(tell, both), return_exceptions=True)
    assert [type(one) for one in ended if one is not None] == [ChangedMeanwhileError]
    assert len(await corrections()) == 5


async def test_a_correction_that_is_not_committed_leaves_nothing(monkeypatch) -> None:
    await take_in(item(taxed(1)), translate=with_tax_counted)
    differences = await found(window())

    async def away(*_arguments: object) -> None:
        raise ConnectionError("Postgres went away.")

    with monkeypatch.context() as broken:
        broken.setattr(fact_log, "append", away)
        with pytest.raises(ConnectionError):
            await tell(differences)
    assert await corrections() == []
    await tell(await found(window()))
    assert len(await corrections()) == 1


async def test_a_row_that_no_key_opens_is_counted_and_passed_over() -> None:
    await take_in(item(taxed(1)), translate=with_tax_counted)
    await take_in(item(taxed(2)), translate=with_tax_counted)
    async with db.connection() as connection:
        await connection.execute(
            "UPDATE webhook_bodies SET body = 'no' WHERE id = (SELECT min(id) FROM webhook_bodies)"
        )
    differences = await found(window())
    assert (sum(one.sealed for one in differences), len(events(differences))) == (1, 1)


def test_the_rule_that_is_switched_off_is_one_of_these_webhooks() -> None:
    one = taxed(1)
    assert INCLUDED in one.body
    assert payloads.translate(item(one)) != with_tax_counted(item(one))
    other = changed(one, lambda body: body.update(taxes_included=False))
    assert payloads.translate(item(other)) == with_tax_counted(item(other))
    assert item(one).received_ms < time.time() * 1000
