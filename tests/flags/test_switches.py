"""What gives money away or asks others in bulk can be switched off: nothing of it is lost."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from app import db
from app.errors import RefusedError
from app.flags import evaluation
from app.flags.known import (
    FREE_PRODUCTS,
    FRIEND_CODES,
    GIFT_CARDS,
    LATE_BONUSES,
    REFERRAL_REWARDS,
    STORE_CREDIT,
    WHAT_IF,
    Flag,
    default,
)
from app.points import handlers
from app.points.earning.campaigns import late
from app.points.earning.whatif import actions as whatif
from app.points.rewards import redemption
from app.referrals.orders import rewarding
from tests.devstore.conftest import fake_app
from tests.points import world
from tests.points.earning.campaigns.told import campaign, days_ago, told
from tests.points.rewards.conftest import shopify as of_rewards
from tests.points.rewards.conftest import store
from tests.points.rewards.discounts import CLIENT
from tests.points.rewards.store import Store
from tests.points.rewards.test_kinds import bobs, hold, made
from tests.points.world import ALICE, figures, line, now, one, paid
from tests.referrals.test_codes import Shop, shopify, sweep
from tests.referrals.world import claim, handle, link_of, offer, order, referral

__all__ = ["fake_app", "of_rewards", "shopify", "store"]
pytestmark = pytest.mark.usefixtures("stores")


@pytest.fixture(autouse=True)
def _as_built() -> Iterator[None]:
    evaluation.forget()
    yield
    evaluation.forget()


def switch(flag: Flag, *, on: bool, **more: frozenset[str]) -> None:
    evaluation.table.settings = {flag.key: default(flag)._replace(is_enabled=on, **more)}
    evaluation._remembered.clear()


@pytest.mark.parametrize(
    ("flag", "kind"),
    [(GIFT_CARDS, "gift_card"), (STORE_CREDIT, "store_credit"), (FREE_PRODUCTS, "free_product")],
)
async def test_a_kind_of_reward_is_neither_begun_nor_made_while_it_is_off(
    stores: db.Stores, store: Store, flag: Flag, kind: str
) -> None:
    held = await hold(store, kind)
    switch(flag, on=False)
    with pytest.raises(RefusedError, match="Your points are safe"):
        await hold(store, kind, key="k2")
    waiting = await redemption.complete(stores, CLIENT, held.id)
    assert (waiting.state, made(store)) == ("held", 0)
    assert await bobs(store) == {"available": 150, "held": 100}
    assert (await hold(store, "amount_off", key="k3")).state == "held", "others go on"
    switch(flag, on=True)
    await one("UPDATE redemptions SET next_attempt_at = now() RETURNING 1")
    done = await redemption.complete(stores, CLIENT, held.id)
    assert (done.state, made(store)) == ("captured", 1)


async def test_what_waits_ten_minutes_for_its_kind_is_given_back(
    stores: db.Stores, store: Store
) -> None:
    held = await hold(store, "gift_card")
    switch(GIFT_CARDS, on=False)
    await redemption.complete(stores, CLIENT, held.id)
    await one(
        "UPDATE redemptions SET next_attempt_at = now(), created_at = now() - interval '11 min' "
        "RETURNING 1"
    )
    done = await redemption.complete(stores, CLIENT, held.id)
    assert (done.state, made(store)) == ("released", 0)
    assert await bobs(store) == {"available": 250}


async def test_what_was_sent_already_is_found_out_though_its_kind_is_off(
    stores: db.Stores, store: Store
) -> None:
    """A gift card whose making was not answered exists: it is not made again, nor forgotten."""
    held = await hold(store, "gift_card")
    store.lose()
    await redemption.complete(stores, CLIENT, held.id)
    store.answer()
    switch(GIFT_CARDS, on=False)
    await one("UPDATE redemptions SET next_attempt_at = now() RETURNING 1")
    done = await redemption.complete(stores, CLIENT, held.id)
    assert (done.state, made(store)) == ("captured", 1)


async def test_friends_codes_wait_while_they_are_off_in_that_shop(
    stores: db.Stores, shopify: Shop
) -> None:
    await offer()
    await claim(stores, await link_of(stores))
    switch(FRIEND_CODES, on=True, shops_off=frozenset({ALICE}))
    await sweep(stores)
    assert (await referral())["code_state"] != "made"
    assert shopify.discounts == {}
    switch(FRIEND_CODES, on=True)
    await sweep(stores, 30)
    assert (await referral())["code_state"] == "made"
    assert len(shopify.discounts) == 1


async def test_rewards_of_referrals_wait_while_they_are_off(stores: db.Stores) -> None:
    await offer()
    await claim(stores, await link_of(stores))
    await handle(stores, order("1"))
    switch(REFERRAL_REWARDS, on=False)
    await rewarding.reward_due()
    assert (await referral())["state"] == "ordered"
    switch(REFERRAL_REWARDS, on=True)
    await rewarding.reward_due(now() + rewarding.AGAIN_AFTER + timedelta(seconds=1))
    assert (await referral())["state"] == "completed"


async def _handle(*events) -> None:
    async with db.transaction() as conn:
        await handlers.handle(conn, list(events))


async def test_late_bonuses_come_once_they_are_on_again() -> None:
    await world.program(ALICE)
    await _handle(paid("1", line("10.00", 1, "mug"), at=days_ago(1)))
    await _handle(*told(campaign("Double")))
    switch(LATE_BONUSES, on=False)
    for _ in range(3):
        assert await late.go_on() == 0
    assert (await figures())["available"] == 10
    switch(LATE_BONUSES, on=True)
    await one("UPDATE campaign_copies SET look_at = now() RETURNING 1")
    for _ in range(4):
        await late.go_on()
    assert (await figures())["available"] == 20


async def test_a_trial_of_a_campaign_waits_while_that_is_off() -> None:
    await world.program(ALICE)
    await _handle(paid("1", line("10.00"), at=days_ago(1)))
    await whatif.start(ALICE, campaign())
    switch(WHAT_IF, on=False)
    assert not await whatif.go_on()
    switch(WHAT_IF, on=True)
    assert await whatif.go_on()
