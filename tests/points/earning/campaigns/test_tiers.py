"""The tier a customer was in when an order was placed: its factor, and campaigns for it."""

import gc
import weakref

import pytest

from app.points.earning import orders
from tests.points import world
from tests.points.arrivals import sentences
from tests.points.earning.campaigns.told import campaign, days_ago, stacks, told
from tests.points.tiers.world import BRONZE, GOLD, SILVER, began, tiers
from tests.points.world import ALICE, figures, handle, line, paid, refunded

pytestmark = pytest.mark.usefixtures("stores")


async def available() -> int:
    return (await figures()).get("available", 0)


@pytest.fixture(autouse=True)
async def three_tiers(stores):
    """Bronze once, Silver 1.25 from 100 points, Gold 1.5 from 500."""
    assert (BRONZE.factor_units, SILVER.factor_units, GOLD.factor_units) == (10_000, 12_500, 15_000)
    await world.program(ALICE)
    await tiers()
    await began(ALICE, days_ago(30))


async def test_an_order_gets_the_factor_of_the_tier_its_customer_was_in() -> None:
    await handle(paid("1", line("200.00"), at=days_ago(5)))
    assert await available() == 200, "the order that brings one into a tier is not yet of it"
    await handle(paid("2", line("100.00", 1, "mug"), at=days_ago(4)))
    assert await available() == 325
    assert "“Silver” (tier, 1.25 times) gives 25 more." in await sentences()
    await handle(paid("3", line("100.00"), at=days_ago(6)))
    assert await available() == 425, "it comes late, and was placed before"
    await handle(refunded("2", "r1", {"mug": 1}))
    assert await available() == 300


@pytest.mark.parametrize(
    ("policy", "expected"), [("best_of", 200), ("add", 225), ("multiply", 250)]
)
async def test_the_tier_is_one_of_what_multiplies(policy, expected) -> None:
    await handle(paid("1", line("200.00"), at=days_ago(5)))
    await handle(stacks(policy), *told(campaign("Double")))
    await handle(paid("2", line("100.00"), at=days_ago(4)))
    assert await available() == 200 + expected


async def test_a_campaign_for_tiers_counts_for_who_was_in_one_of_them() -> None:
    await handle(*told(campaign("Silver days", audience=("tiers", "silver"), value="3")))
    await handle(paid("1", line("200.00"), at=days_ago(5)))
    assert await available() == 200
    assert "it is for other tiers than the customer's at that time" in await sentences()
    await handle(paid("2", line("100.00"), at=days_ago(4)))
    assert await available() == 500


async def test_what_a_batch_decided_goes_with_it_and_waits_for_no_collector(monkeypatch) -> None:
    decided = []

    class Watched(orders.Decisions):
        def __init__(self) -> None:
            super().__init__()
            decided.append(weakref.ref(self))

    monkeypatch.setattr(orders, "Decisions", Watched)
    await handle(*told(campaign("Double")))
    gc.disable()
    try:
        await handle(paid("1", line("200.00"), at=days_ago(5)))
        assert [one() for one in decided] == [None]
    finally:
        gc.enable()
