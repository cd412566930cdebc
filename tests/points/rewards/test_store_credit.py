"""Store credit has no key and no note at Shopify: made once and taken back once, by its marks."""

import pytest

from app import db
from app.errors import UnavailableError
from app.points.rewards import redemption, staff
from devstore.shop import credits as credits_
from tests.points.rewards.discounts import CLIENT
from tests.points.rewards.store import Store
from tests.points.rewards.test_kinds import bobs, hold
from tests.points.world import ALICE, one

pytestmark = pytest.mark.usefixtures("stores")


async def test_two_credits_of_one_customer_never_end_in_the_same_second(
    stores: db.Stores, store: Store
) -> None:
    first = await hold(store, "store_credit")
    second = await hold(store, "store_credit", key="k2")
    for held in (first, second):
        await redemption.complete(stores, CLIENT, held.id)
    assert await one("SELECT count(DISTINCT ends_at) FROM redemptions") == 2
    store.lose()
    assert store.credit_cents == 1500


async def test_a_debit_takes_back_one_credit_and_not_another_of_that_amount(
    stores: db.Stores, store: Store
) -> None:
    """Nothing at Shopify says for which credit a debit was: each counts for one redemption."""
    held = [await hold(store, "store_credit", key=key) for key in ("k1", "k2")]
    for each in held:
        await redemption.complete(stores, CLIENT, each.id)
    store.fail("store_credit_debit")
    with pytest.raises(UnavailableError):
        await staff.cancel(stores, CLIENT, ALICE, held[0].id, "Alice Owner")
    assert store.credit_cents == 1500
    done = await staff.cancel(stores, CLIENT, ALICE, held[1].id, "Alice Owner")
    assert (done.state, store.credit_cents) == ("released", 750)
    await one("UPDATE redemptions SET taking_back_at = now() - interval '1 h' RETURNING 1")
    done = await staff.cancel(stores, CLIENT, ALICE, held[0].id, "Alice Owner")
    assert (done.state, store.credit_cents) == ("released", 0)
    assert await bobs(store) == {"available": 250}


async def test_what_the_merchant_took_off_before_we_asked_is_not_ours(
    stores: db.Stores, store: Store
) -> None:
    held = await hold(store, "store_credit")
    await redemption.complete(stores, CLIENT, held.id)
    credits_.credit(store.state, store.bob, 750, None)
    credits_.debit(store.state, store.bob, 750)
    store.credits[0].remaining_cents = 750  # what has no end is spent last; not here
    store.credits[1].remaining_cents = 0
    store.fail("store_credit_debit")
    with pytest.raises(UnavailableError):
        await staff.cancel(stores, CLIENT, ALICE, held.id, "Alice Owner")
    await one("UPDATE redemptions SET taking_back_at = now() - interval '1 h' RETURNING 1")
    await staff.cancel(stores, CLIENT, ALICE, held.id, "Alice Owner")
    assert store.credit_cents == 0
    assert await bobs(store) == {"available": 250}


async def test_a_credit_is_not_asked_for_again_before_a_lost_call_is_over(
    stores: db.Stores, store: Store
) -> None:
    held = await hold(store, "store_credit")
    store.lose()
    await redemption.complete(stores, CLIENT, held.id)
    wait = "SELECT next_attempt_at > now() + interval '100 s' FROM redemptions"
    assert await one(wait)
    assert await redemption.sweep(stores, CLIENT) == 0
