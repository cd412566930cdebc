"""One referral, one link or one shop with which something is wrong holds up no other."""

from datetime import timedelta

import asyncpg
import pytest

from app.db import Stores
from app.referrals.claims import codes
from app.referrals.links import actions as links
from app.referrals.orders import rewarding
from tests.points.world import ALICE, now, one
from tests.referrals.world import claim, handle, link_of, offer, order, told

CHARLIES = "charlie.myshopify.com"


async def test_a_reward_that_cannot_be_given_holds_up_no_other(stores: Stores) -> None:
    await offer(day_max=50)
    code = await link_of(stores)
    for number in range(3):
        await claim(stores, code, f"f{number}@example.com")
        await handle(stores, order(str(number), str(8000 + number), f"f{number}@example.com"))
    await one(
        "UPDATE referrals SET offer = '{\"friend_kind\": 7}', due_at = '2020-01-01' "
        "WHERE order_id = '0' RETURNING id"
    )
    at = now()
    assert await rewarding.reward_due(at) == 2
    assert {each["order_id"] for each in await told("referral.completed")} == {"1", "2"}
    due = await one("SELECT due_at FROM referrals WHERE order_id = '0'")
    assert due > at, "it does not stand before the others again"


async def test_a_reward_whose_row_somebody_holds_waits_and_the_others_do_not(
    stores: Stores,
) -> None:
    await offer(day_max=50)
    for number, advocate in enumerate(("7001", "7002")):
        await claim(stores, await link_of(stores, advocate), f"f{number}@example.com")
        await handle(stores, order(str(number), str(8000 + number), f"f{number}@example.com"))
    somebody = await asyncpg.connect(stores.config.database_url)
    try:
        async with somebody.transaction():
            await somebody.execute("SELECT id FROM referrals WHERE order_id = '0' FOR UPDATE")
            assert await rewarding.reward_due(now()) == 1
    finally:
        await somebody.close()
    assert await rewarding.reward_due(now()) == 1


async def test_a_shop_whose_links_cannot_be_made_holds_up_no_other(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = now()
    for shop in (ALICE, CHARLIES):
        await one(
            "INSERT INTO referral_links (shop, customer_id, advocate_id, status, asked_at) "
            "VALUES ($1, '7001', '7001', 'queued', now()) RETURNING id",
            shop,
        )
    make = links.make_next

    async def broken(given: Stores, shop: str, moment: object) -> bool:
        if shop == ALICE:
            raise ValueError("this shop's secret cannot be opened")
        return await make(given, shop, at)

    monkeypatch.setattr(links, "make_next", broken)
    for _ in range(3):  # whichever of the two is first
        await links.make_due(stores, at)
    ready = "SELECT count(*) FROM referral_links WHERE shop = $1 AND status = 'ready'"
    assert await one(ready, CHARLIES) == 1
    assert await one(ready, ALICE) == 0


async def test_a_code_whose_claim_makes_no_sense_holds_up_no_other(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    await offer()
    code = await link_of(stores)
    for number in range(2):
        await claim(stores, code, f"f{number}@example.com")
    await one(
        "UPDATE referrals SET offer = '{\"friend_kind\": 7}' WHERE friend_email = 'f0@example.com' "
        "RETURNING id"
    )
    tried = []

    async def known(*_: object) -> bool:
        return False

    async def make(_stores: object, _client: object, wanted: codes.Wanted, _at: object) -> None:
        tried.append(wanted.friend_email)

    monkeypatch.setattr(codes, "_is_known", known)
    monkeypatch.setattr(codes, "_make", make)
    at = now() + timedelta(seconds=1)
    await codes.sweep(stores, None, at)  # type: ignore[arg-type] # nobody calls out
    assert tried == ["f1@example.com"]
    waits = await one("SELECT next_attempt_at FROM referrals WHERE friend_email = 'f0@example.com'")
    assert waits > at
