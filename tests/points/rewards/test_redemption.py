"""The saga of a redemption: whatever Shopify does, there is one code for the points, or the points
are back.
"""

import httpx
import pytest

from app import db
from app.errors import NotFoundError, UnavailableError
from app.points.ledger.audit import verify
from app.points.members import reads
from app.points.rewards import actions as rewards
from app.points.rewards import redemption
from tests.flow.helpers import written
from tests.points.rewards.discounts import CLIENT, Shopify, hold, make_due
from tests.points.world import ALICE, BOB, figures, handle, line, one, paid, reward_of_100

pytestmark = pytest.mark.usefixtures("stores")


async def test_a_held_redemption_becomes_one_code_for_that_customer_and_one_use(
    stores: db.Stores, shopify: Shopify
) -> None:
    held = await hold()
    done = await redemption.complete(stores, CLIENT, held.id)
    assert done.state == "captured"
    sent = shopify.discounts[done.code]["input"]
    assert (sent["usageLimit"], sent["appliesOncePerCustomer"]) == (1, True)
    assert sent["context"] == {"customers": {"add": [f"gid://shopify/Customer/{BOB}"]}}
    assert sent["customerGets"]["value"]["discountAmount"] == {
        "amount": "5.00",
        "appliesOnEachItem": False,
    }
    assert held.id in sent["title"]
    assert await figures() == {"available": 150, "spent": 100}
    assert await redemption.complete(stores, CLIENT, held.id) == done
    assert shopify.calls == ["discount_create"]
    assert len(await written("points.spent")) == 1
    assert (await reads.balance_reading(stores, ALICE, BOB)).value.available == 150


async def test_an_order_with_the_code_uses_it_up_and_only_its_own_customer_can(
    stores: db.Stores, shopify: Shopify
) -> None:
    done = await redemption.complete(stores, CLIENT, (await hold()).id)
    await handle(paid("2", line("30.00"), customer="666", discount_codes=[done.code]))
    await handle(paid("3", line("30.00"), customer=None, discount_codes=[done.code]))
    await handle(paid("4", line("30.00"), shop="charlie.myshopify.com", discount_codes=[done.code]))
    assert (await redemption.view(done.id)).state == "captured"
    await handle(
        paid("5", line("30.00"), discount_codes=[done.code.lower(), "SUMMER"]),
        paid("6", line("1.00")),
    )
    assert [(view.state, view.code) for view in await reads.redemptions(ALICE, BOB)] == [
        ("used", done.code)
    ]
    assert (await rewards.redeem(ALICE, BOB, await reward_of_100(), "k1", "r")).state == "used", (
        "the same answer"
    )
    assert await figures() == {"available": 181, "spent": 100}
    assert (await verify(ALICE)).is_sound


async def test_an_answer_that_was_lost_leads_to_the_same_code(
    stores: db.Stores, shopify: Shopify
) -> None:
    held = await hold()
    shopify.lost_answers = 1
    assert (await redemption.complete(stores, CLIENT, held.id)).state == "held"
    assert await figures() == {"available": 150, "held": 100}
    await make_due()
    assert await redemption.sweep(stores, CLIENT) == 1
    assert (await redemption.view(held.id)).state == "captured"
    assert len(shopify.discounts) == 1
    assert shopify.calls == ["discount_create", "discount_create", "discount_by_code"]


@pytest.mark.parametrize(
    "failure",
    [
        UnavailableError("away"),
        NotFoundError("no such shop"),
        httpx.ReadTimeout("slow"),
        TimeoutError(),
        KeyError("another shape"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_while_nobody_knows_whether_there_is_a_code_the_points_stay_held(
    stores: db.Stores, shopify: Shopify, failure: Exception
) -> None:
    held = await hold()
    shopify.failures = [failure]
    assert (await redemption.complete(stores, CLIENT, held.id)).state == "held"
    assert await figures() == {"available": 150, "held": 100}
    assert await one(
        "SELECT next_attempt_at BETWEEN now() AND now() + interval '5 s' FROM redemptions"
    )
    assert await redemption.sweep(stores, CLIENT) == 0, "the pause before the next try is kept"
    await make_due()
    await redemption.sweep(stores, CLIENT)
    assert (await redemption.view(held.id)).state == "captured"


async def test_a_refusal_gives_the_points_back_to_the_lots_they_came_from(
    stores: db.Stores, shopify: Shopify
) -> None:
    held = await hold()
    shopify.errors = [{"field": ["context"], "message": "Customer is gone.", "code": "INVALID"}]
    released = await redemption.complete(stores, CLIENT, held.id)
    assert (released.state, released.code) == ("released", "")
    assert "Customer is gone." in released.message
    assert await figures() == {"available": 250}
    assert await one("SELECT remaining FROM lots") == 250
    assert "Customer is gone." in (await reads.member(ALICE, BOB)).ledger[0].sentence
    assert (await verify()).is_sound


async def test_a_code_of_somebody_else_is_not_taken_for_ours(
    stores: db.Stores, shopify: Shopify
) -> None:
    held = await hold()
    code = await one("SELECT code FROM redemptions")
    shopify.discounts[code] = {
        "id": "gid://x/1",
        "codeDiscount": {"title": "Summer sale", "status": "ACTIVE"},
    }
    assert (await redemption.complete(stores, CLIENT, held.id)).state == "released"
    await make_due()
    await redemption.sweep(stores, CLIENT)
    assert shopify.discounts[code]["codeDiscount"]["status"] == "ACTIVE"


async def test_an_unknown_redemption_is_not_found(stores: db.Stores, shopify: Shopify) -> None:
    with pytest.raises(NotFoundError):
        await redemption.complete(stores, CLIENT, "00000000-0000-0000-0000-000000000000")
    assert shopify.calls == []
