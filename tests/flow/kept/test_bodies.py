"""Webhooks are kept as they came, together and sealed, in the transaction of their receipts."""

import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from app import config as settings
from app import db
from app.errors import BadInputError
from app.flow.bus import keeper
from app.flow.bus.log import part_of
from app.flow.kept import bodies, packing
from app.flow.kept.packing import NOTHING_TOLD, SealedError
from app.flow.lanes import translation
from app.flow.lanes.bodies import ForeignBodyError
from app.flow.lanes.lane import LaneItem
from tests.flow.kept.kept import item, kept, rows, take_in
from tests.points.webhooks import Shop, Webhook, line
from tests.points.world import ALICE

CHARLIE = "charlie.myshopify.com"  # in the same partition as Alice's, and Dora's in another
DORA = "dora.myshopify.com"
pytestmark = pytest.mark.usefixtures("stores")


@pytest.fixture
def _keys_as_before(config: settings.Config) -> Iterator[None]:
    yield
    packing.use_keys(config.token_keys)


def order(number: int = 1, shop: str = ALICE) -> Webhook:
    return Shop(shop=shop, order_id=number).order("orders/paid", line("10.00"))


def refuses(_item: LaneItem) -> list[translation.Fact]:
    raise BadInputError("It cannot be used.")


def is_of_another(_item: LaneItem) -> list[translation.Fact]:
    raise ForeignBodyError


async def test_a_webhook_is_kept_as_it_came_and_a_repeat_is_not_kept_twice() -> None:
    one = item(order())
    await take_in(one)
    await take_in(one)
    assert await kept() == [one]


async def test_a_batch_is_kept_in_a_row_a_partition_in_the_order_of_each_lane() -> None:
    items = [item(order(number, shop)) for number in range(1, 251) for shop in (ALICE, DORA)]
    await take_in(*items)
    found = await rows()
    for shop in (ALICE, DORA):
        packed = [one for one in found if one.part == part_of(shop)]
        assert [len(one.items) for one in packed] == [100, 100, 50]
    in_order = await kept()
    for shop in (ALICE, DORA):
        of_shop = [one for one in items if one.shop == shop]
        assert [one for one in in_order if one.shop == shop] == of_shop


async def test_a_large_webhook_is_alone_in_its_row() -> None:
    large = Webhook("orders/paid", order().body + b" " * 600_000)
    await take_in(item(order(1)), item(large), item(order(2)))
    assert [len(one.items) for one in await rows()] == [1, 1, 1]


async def test_what_is_set_aside_is_kept_once_it_is_replayed() -> None:
    one = item(order(1))
    await take_in(one, translate=refuses)
    await take_in(item(order(2)), is_known=False)  # nobody has opened the app there yet
    assert await kept() == []
    await take_in(one)
    assert await kept() == [one]


async def test_what_nobody_understands_is_kept_as_untold() -> None:
    await take_in(item(Webhook("carts/update", b'{"id": 1}')))
    await take_in(item(order(3)))
    told = [row.told for row in await rows()]
    assert told[0] == NOTHING_TOLD
    assert told[1] != NOTHING_TOLD


async def test_another_shops_body_and_requests_about_personal_data_are_not_kept() -> None:
    redact = {"shop_domain": ALICE, "customer": {"id": 7001}, "orders_to_redact": []}
    await take_in(item(order()), translate=is_of_another)
    await take_in(item(Webhook("customers/redact", json.dumps(redact).encode())))
    assert await kept() == []


@pytest.mark.usefixtures("_keys_as_before")
async def test_nobody_reads_them_without_the_key_nor_changes_them() -> None:
    await take_in(item(order()))
    async with db.connection() as connection:
        row = dict(await connection.fetchrow("SELECT * FROM webhook_bodies"))
    assert b"bob@example.com" not in row["body"]
    changed = row["body"][:-1] + bytes([row["body"][-1] ^ 1])
    for other in ({"body": changed}, {"part": 99}, {"day": row["day"] - timedelta(days=1)}):
        with pytest.raises(SealedError):
            bodies.opened({**row, **other})
    packing.use_keys([urlsafe_b64encode(os.urandom(32)).decode()])
    with pytest.raises(SealedError):
        bodies.opened(row)


@pytest.mark.usefixtures("_keys_as_before")
async def test_a_key_that_was_replaced_still_opens_what_it_sealed(
    config: settings.Config,
) -> None:
    one = item(order())
    await take_in(one)
    packing.use_keys([urlsafe_b64encode(os.urandom(32)).decode(), *config.token_keys])
    await take_in(item(order(2)))
    assert len(await kept()) == 2
    assert (await kept())[0] == one


async def test_a_window_is_read_without_what_was_received_outside_of_it() -> None:
    now = datetime.now(UTC)
    early, late = item(order(1), hours_ago=48), item(order(2), hours_ago=1)
    await take_in(early)
    await take_in(late)
    part = part_of(ALICE)
    found = await bodies.window(part, 0, now - timedelta(hours=9), now, "", 10)
    assert [len(one.items) for one in found] == [1]
    assert await bodies.window(part, found[0].id, now - timedelta(hours=9), now, "", 10) == []
    assert await bodies.window(part, 0, now - timedelta(hours=72), now, CHARLIE, 10) == []
    assert len(await bodies.window(part, 0, now - timedelta(hours=72), now, ALICE, 10)) == 2


async def test_a_window_may_be_told_in_any_zone() -> None:
    await take_in(item(order()))
    far = timezone(timedelta(hours=14))  # where it may be tomorrow already
    since = datetime.now(UTC) - timedelta(hours=2)
    found = await bodies.window(
        part_of(ALICE), 0, since.astimezone(far), datetime.now(far), ALICE, 10
    )
    assert len(found) == 1


async def test_days_end_after_a_week_and_their_size_is_told() -> None:
    await take_in(item(order()))
    (size,) = await bodies.sizes()
    assert (size.rows, size.webhooks) == (1, 1)
    assert 200 < size.bytes < 2_000
    today = datetime.now(UTC).date()
    longer = {**keeper.TABLES, "webhook_bodies": 9}
    try:
        await keeper.keep(today + timedelta(days=9), longer)
        assert len(await kept()) == 1, "a setting says how long"
        await keeper.keep(today + timedelta(days=keeper.BODIES_KEPT_DAYS))
        assert len(await kept()) == 1
        await keeper.keep(today + timedelta(days=keeper.BODIES_KEPT_DAYS + 1))
        assert await kept() == []
    finally:
        await keeper.keep(today)
