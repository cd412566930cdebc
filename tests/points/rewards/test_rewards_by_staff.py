"""What staff do about a reward: the points come back only when no code of theirs works."""

import uuid
from datetime import timedelta

import pytest

from app.errors import NotFoundError, RefusedError, UnavailableError
from app.points.ledger.audit import verify
from app.points.rewards import issuing, redemption, staff
from tests.points.rewards.discounts import CLIENT, Shopify, hold
from tests.points.world import ALICE, figures, now, one

pytestmark = pytest.mark.usefixtures("stores")
AWAY = UnavailableError("Shopify is not answering at the moment.")


@pytest.fixture
def shopify(monkeypatch: pytest.MonkeyPatch) -> Shopify:
    stand_in = Shopify()
    monkeypatch.setattr(issuing.admin_api, "call", stand_in.call)
    return stand_in


async def test_a_stuck_reward_is_tried_again_at_once(stores, shopify: Shopify) -> None:
    held = await hold()
    shopify.failures.append(AWAY)
    await redemption.complete(stores, CLIENT, held.id)
    due = "UPDATE redemptions SET next_attempt_at = $1 RETURNING 1"
    await one(due, now() + timedelta(minutes=5))
    assert (await redemption.complete(stores, CLIENT, held.id)).state == "held", "it waits"
    assert (await staff.retry(stores, CLIENT, ALICE, held.id)).state == "captured"
    assert len(shopify.discounts) == 1
    assert (await staff.retry(stores, CLIENT, ALICE, held.id)).state == "captured"


async def test_points_given_back_are_there_again_and_no_code_works(stores, shopify) -> None:
    held = await hold()
    shopify.lost_answers = 1
    await redemption.complete(stores, CLIENT, held.id)
    assert len(shopify.discounts) == 1, "the code was made, and nobody knows"
    for _ in range(10):
        done = await staff.give_back(stores, CLIENT, ALICE, held.id, "Alice Owner")
        assert (done.state, done.message) == ("released", "Given back by Alice Owner.")
    assert [node["codeDiscount"]["status"] for node in shopify.discounts.values()] == ["EXPIRED"]
    assert await figures() == {"available": 250}
    assert (await verify(ALICE)).problems == []


async def test_while_shopify_is_away_nothing_is_given_back_unless_it_was_never_asked(
    stores, shopify
) -> None:
    held = await hold()
    shopify.failures += [AWAY, AWAY]
    await redemption.complete(stores, CLIENT, held.id)
    with pytest.raises(UnavailableError):
        await staff.give_back(stores, CLIENT, ALICE, held.id, "Alice Owner")
    assert (await figures())["held"] == 100
    await one("UPDATE redemptions SET tries_sent = 0 RETURNING 1")
    shopify.failures.append(AWAY)
    done = await staff.give_back(stores, CLIENT, ALICE, held.id, "Alice Owner")
    assert done.state == "released"


async def test_a_code_that_was_not_used_is_cancelled_and_its_points_come_back(
    stores, shopify
) -> None:
    held = await hold()
    await redemption.complete(stores, CLIENT, held.id)
    assert await figures() == {"available": 150, "spent": 100}
    for _ in range(10):
        done = await staff.cancel(stores, CLIENT, ALICE, held.id, "Alice Owner")
        assert done.state == "released"
    assert [node["codeDiscount"]["status"] for node in shopify.discounts.values()] == ["EXPIRED"]
    assert await figures() == {"available": 250}
    assert await one("SELECT count(*) FROM ledger WHERE effect = 'cancel'") == 1
    assert (await verify(ALICE)).problems == []


async def test_a_code_that_was_used_is_not_cancelled(stores, shopify) -> None:
    held = await hold()
    await redemption.complete(stores, CLIENT, held.id)
    for node in shopify.discounts.values():
        node["codeDiscount"]["asyncUsageCount"] = 1
    with pytest.raises(RefusedError, match="used already"):
        await staff.cancel(stores, CLIENT, ALICE, held.id, "Alice Owner")
    assert await figures() == {"available": 150, "spent": 100}


async def test_another_customers_or_shops_reward_is_not_found(stores, shopify) -> None:
    held = await hold()
    for shop, customer in (("charlie.myshopify.com", "7001"), (ALICE, "7002")):
        with pytest.raises(NotFoundError):
            await staff.check(shop, customer, held.id)
    with pytest.raises(NotFoundError):
        await staff.cancel(stores, CLIENT, ALICE, str(uuid.uuid4()), "Alice Owner")
