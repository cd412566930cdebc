"""A code never asked for: our own circuit, bulkhead or the shop's budget refused each call."""

from typing import Any

import pytest

from app.points.rewards import issuing, redemption
from app.resilience.guard import BusyError, RefusedByCircuitError
from app.shopify.graphql import ThrottledError
from tests.points.rewards.discounts import CLIENT, hold, make_due
from tests.points.world import figures, one

pytestmark = pytest.mark.usefixtures("stores")


@pytest.mark.parametrize(
    "refusal",
    [RefusedByCircuitError("open"), BusyError("full"), ThrottledError("no budget")],
    ids=lambda one: one.code,
)
async def test_points_whose_code_was_never_asked_for_are_back_after_ten_minutes(
    stores, shopify, refusal
) -> None:
    held = await hold()
    for _ in range(5):
        shopify.failures = [refusal]
        assert (await redemption.complete(stores, CLIENT, held.id)).state == "held"
        await make_due()
    assert await one("SELECT ARRAY[attempts, tries_sent] FROM redemptions") == [0, 0]
    shopify.calls.clear()
    await make_due(created_at="now() - interval '10 minutes'")
    assert (await redemption.complete(stores, CLIENT, held.id)).state == "released"
    assert shopify.calls == []
    assert await figures() == {"available": 250}


async def test_points_whose_code_may_exist_are_not_back_before_shopify_was_asked(
    stores, shopify
) -> None:
    held = await hold()
    shopify.lost_answers = 1
    await redemption.complete(stores, CLIENT, held.id)
    await make_due(created_at="now() - interval '10 minutes'")
    shopify.failures = [RefusedByCircuitError("open")]
    assert (await redemption.complete(stores, CLIENT, held.id)).state == "held"
    assert await one("SELECT tries_sent FROM redemptions") == 1
    await make_due()
    assert (await redemption.complete(stores, CLIENT, held.id)).state == "captured"


async def test_a_create_that_was_sent_counts_although_the_look_after_it_was_refused(
    stores, shopify, monkeypatch
) -> None:
    held = await hold()
    shopify.lost_answers = 1
    await redemption.complete(stores, CLIENT, held.id)
    call = shopify.call

    async def no_looking(client, config, shop, document, variables) -> Any:
        if document == "discount_by_code":
            raise RefusedByCircuitError("open")
        return await call(client, config, shop, document, variables)

    monkeypatch.setattr(issuing.admin_api, "call", no_looking)
    await make_due()
    assert (await redemption.complete(stores, CLIENT, held.id)).state == "held"
    assert await one("SELECT ARRAY[attempts, tries_sent] FROM redemptions") == [2, 2]


async def test_a_process_that_dies_on_the_way_to_shopify_leaves_its_create_counted(
    stores, shopify, monkeypatch
) -> None:
    held = await hold()

    async def dies(*_: Any) -> None:
        raise SystemExit

    monkeypatch.setattr(redemption, "_attempt", dies)
    with pytest.raises(SystemExit):
        await redemption.complete(stores, CLIENT, held.id)
    assert await one("SELECT tries_sent FROM redemptions") == 1
