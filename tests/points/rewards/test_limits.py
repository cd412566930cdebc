"""Limits of a reward hold however many ask at once; and a shopper chooses points as it allows."""

from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest

from app import db
from app.errors import BadInputError, ConflictError, HoldfastError, NotFoundError, RefusedError
from app.points.ledger.audit import verify
from app.points.ledger.posting import Batch
from app.points.rewards import actions, giving, offers, redemption
from app.points.rewards.rules import Choose, Details
from app.points.views import RedemptionView
from tests.points.rewards.discounts import CLIENT, Shopify, make_due
from tests.points.world import ALICE, BOB, crowd, figures, handle, line, now, one, paid, program

pytestmark = pytest.mark.usefixtures("stores", "shopify")
CHOOSE = Choose(points_per_unit=100, unit="1.50", least=200, most=1000, step=200)


async def bob_has(points: int) -> None:
    await program()
    await handle(paid("1", line(f"{points}.00")))


async def test_of_fifty_at_once_no_more_than_the_limit_get_it() -> None:
    await bob_has(10_000)
    reward = await offers.save_reward(ALICE, None, "Two", 100, "5", details=Details(per_customer=2))
    asked = [partial(actions.redeem, ALICE, BOB, reward.id, f"key-{n}", "r") for n in range(50)]
    ends = await crowd(*asked, return_exceptions=True)
    refused = [one for one in ends if isinstance(one, RefusedError)]
    assert [type(one) for one in ends if one not in refused] == [RedemptionView] * 2
    assert {error.code for error in refused} == {"limit_reached"}
    assert await figures() == {"available": 9_800, "held": 200}
    assert (await verify(ALICE)).problems == []


async def test_one_that_came_to_nothing_does_not_count(stores: db.Stores, shopify: Shopify) -> None:
    await bob_has(500)
    reward = await offers.save_reward(ALICE, None, "One", 100, "5", details=Details(per_customer=1))
    shopify.errors = [{"field": [], "message": "No.", "code": "INVALID"}]
    held = await actions.redeem(ALICE, BOB, reward.id, "k1", "r")
    await redemption.complete(stores, CLIENT, held.id)
    await actions.redeem(ALICE, BOB, reward.id, "k2", "r")
    with pytest.raises(RefusedError, match="can be had once"):
        await actions.redeem(ALICE, BOB, reward.id, "k3", "r")


async def test_of_fifty_too_early_or_too_late_none_gets_it_and_in_between_one_does() -> None:
    await bob_has(10_000)
    hour = timedelta(hours=1)
    planned = Details(starts_at=now() + hour)
    over = Details(starts_at=now() - 2 * hour, ends_at=now() - hour)
    for details, sentence in ((planned, "not there yet"), (over, "is over")):
        reward = await offers.save_reward(ALICE, None, "A", 100, "5", details=details)
        asked = [
            partial(actions.redeem, ALICE, BOB, reward.id, f"{sentence}{n}", "r") for n in range(50)
        ]
        ends = await crowd(*asked, return_exceptions=True)
        assert {getattr(error, "code", "") for error in ends} == {"not_now"}
    running = Details(starts_at=now() - hour, ends_at=now() + hour)
    reward = await offers.save_reward(ALICE, None, "A", 100, "5", details=running)
    assert (await actions.redeem(ALICE, BOB, reward.id, "k1", "r")).state == "held"


async def test_the_same_key_is_one_redemption_of_those_points() -> None:
    await bob_has(1000)
    reward = await offers.save_reward(ALICE, None, "Off", 0, details=Details(choose=CHOOSE))
    first = await actions.redeem(ALICE, BOB, reward.id, "k1", "r", points=600)
    assert await actions.redeem(ALICE, BOB, reward.id, "k1", "r", points=600) == first
    assert (first.points, first.amount_off) == (600, Decimal("9.00"))
    with pytest.raises(ConflictError):
        await actions.redeem(ALICE, BOB, reward.id, "k1", "r", points=400)
    assert await figures() == {"available": 400, "held": 600}


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        (None, "choose how many points"),
        (100, "between 200 and 1,000"),
        (1200, "between 200 and 1,000"),
        (300, "so many times 200 more"),
        (-200, "between 200 and 1,000"),
    ],
)
async def test_points_that_cannot_be_chosen_are_refused_and_hold_nothing(points, sentence) -> None:
    await bob_has(1000)
    reward = await offers.save_reward(ALICE, None, "Off", 0, details=Details(choose=CHOOSE))
    with pytest.raises(BadInputError, match=sentence):
        await actions.redeem(ALICE, BOB, reward.id, "k1", "r", points=points)
    assert await figures() == {"available": 1000}


async def test_a_reward_of_a_fixed_cost_takes_no_other_number() -> None:
    await bob_has(1000)
    reward = await offers.save_reward(ALICE, None, "Off", 100, "5")
    with pytest.raises(BadInputError, match="costs 100 points"):
        await actions.redeem(ALICE, BOB, reward.id, "k1", "r", points=1)


async def test_a_percentage_is_chosen_too(stores: db.Stores, shopify: Shopify) -> None:
    await bob_has(1000)
    choose = Choose(points_per_unit=50, unit="2.5", least=50, most=500, step=50)
    reward = await offers.save_reward(
        ALICE, None, "Off", 0, kind="percent_off", details=Details(choose=choose)
    )
    held = await actions.redeem(ALICE, BOB, reward.id, "k1", "r", points=150)
    await redemption.complete(stores, CLIENT, held.id)
    (node,) = shopify.discounts.values()
    assert node["input"]["customerGets"]["value"] == {"percentage": 0.075}


# without cost


async def give(reward_id: str, source: str = "tier:gold:1") -> bool:
    batch = Batch(now())
    async with db.transaction() as conn:
        await batch.lock(conn, [(ALICE, BOB)])
        account = batch.by_customer[ALICE, BOB]
        return await giving.give(conn, batch, account, reward_id, source, "Welcome to Gold.", "r")


async def take_back(source: str = "tier:gold:1") -> bool:
    batch = Batch(now())
    async with db.transaction() as conn:
        await batch.lock(conn, [(ALICE, BOB)])
        account = batch.by_customer[ALICE, BOB]
        return await giving.take_back(conn, batch, account, source, "The order came back.")


async def test_a_reward_is_given_once_for_a_cause_and_moves_no_points(
    stores: db.Stores, shopify: Shopify
) -> None:
    await bob_has(10)
    reward = await offers.save_reward(
        ALICE, None, "Five off", 100, "5", False, details=Details(per_customer=1)
    )
    ends = await crowd(*[partial(give, reward.id)] * 50)
    assert sorted(ends) == [False] * 49 + [True]
    await make_due()
    await redemption.sweep(stores, CLIENT)
    assert await one("SELECT state FROM redemptions") == "captured"
    assert len(shopify.discounts) == 1
    assert await figures() == {"available": 10}
    assert await give(reward.id, "tier:gold:2")
    assert (await verify(ALICE)).problems == []


async def test_what_was_given_is_taken_back_while_it_is_not_used(
    stores: db.Stores, shopify: Shopify
) -> None:
    await bob_has(10)
    reward = await offers.save_reward(ALICE, None, "Five off", 100, "5")
    await give(reward.id)
    await make_due()
    await redemption.sweep(stores, CLIENT)
    assert await take_back()
    assert not await take_back()
    await redemption.sweep(stores, CLIENT)
    (node,) = shopify.discounts.values()
    assert node["codeDiscount"]["status"] == "EXPIRED"
    assert not await give(reward.id), "it was given for that once"
    await give(reward.id, "tier:gold:2")
    await make_due()
    await redemption.sweep(stores, CLIENT)
    code = await one("SELECT code FROM redemptions WHERE state = 'captured'")
    await handle(paid("2", line("10.00"), discount_codes=[code]))
    assert not await take_back("tier:gold:2"), "it was used"
    assert (await verify(ALICE)).problems == []


async def test_an_unknown_reward_is_not_given() -> None:
    await bob_has(10)
    with pytest.raises(NotFoundError):
        await give("12345")
    with pytest.raises(HoldfastError):
        await give("x")
