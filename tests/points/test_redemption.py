"""The saga of a redemption: whatever Shopify does, there is one code for the points, or the
points are back.
"""

import asyncio
import copy
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app import db
from app.errors import NotFoundError, RefusedError, UnavailableError
from app.points.earning import actions as earning
from app.points.ledger import actions as ledger
from app.points.ledger import expiry
from app.points.ledger.audit import verify
from app.points.members import reads
from app.points.rewards import actions as rewards
from app.points.rewards import discounts, redemption, settling
from app.points.views import RedemptionView
from app.shopify.graphql import ShopifyRefusedError
from tests.flow.helpers import written
from tests.points.world import ALICE, BOB, figures, handle, line, now, one, paid, program, refunded

pytestmark = pytest.mark.usefixtures("stores")
CLIENT: Any = None  # nothing is sent: `admin_api.call` is the seam


class Shopify:
    """A stand-in for `admin_api.call`: remembers discounts, and fails as it is told."""

    def __init__(self) -> None:
        self.discounts: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.failures: list[Exception] = []  # raised before the work, one a call
        self.lost_answers = 0  # creates that do the work and then time out
        self.errors: list[dict[str, str]] = []

    async def call(
        self, _client: Any, _config: Any, shop: str, document: str, variables: dict[str, Any]
    ) -> Any:
        async with (
            db.connection() as conn
        ):  # a transaction open here would be held over the network
            assert (
                await conn.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
                )
                == 0
            )
        assert shop == ALICE
        self.calls.append(document)
        if self.failures:
            raise self.failures.pop(0)
        if document == "discount_create":
            return await self.create(variables["basicCodeDiscount"])
        if document == "discount_by_code":
            return {"codeDiscountNodeByCode": copy.deepcopy(self.discounts.get(variables["code"]))}
        assert document == "discount_deactivate"
        for node in self.discounts.values():
            if node["id"] == variables["id"]:
                node["codeDiscount"]["status"] = "EXPIRED"
        return {"discountCodeDeactivate": {"userErrors": []}}

    async def create(self, wanted: dict[str, Any]) -> Any:
        if self.errors:
            return {
                "discountCodeBasicCreate": {"codeDiscountNode": None, "userErrors": self.errors}
            }
        if wanted["code"] in self.discounts:
            errors = [{"field": ["code"], "message": "Code must be unique.", "code": "TAKEN"}]
            return {"discountCodeBasicCreate": {"codeDiscountNode": None, "userErrors": errors}}
        node = {
            "id": f"gid://shopify/DiscountCodeNode/{len(self.discounts) + 1}",
            "codeDiscount": {"title": wanted["title"], "status": "ACTIVE"},
            "input": wanted,
        }
        self.discounts[wanted["code"]] = node
        if self.lost_answers:
            self.lost_answers -= 1
            raise UnavailableError("Shopify is not answering at the moment.")
        return {
            "discountCodeBasicCreate": {"codeDiscountNode": {"id": node["id"]}, "userErrors": []}
        }


@pytest.fixture
def shopify(monkeypatch: pytest.MonkeyPatch) -> Shopify:
    stand_in = Shopify()
    monkeypatch.setattr(discounts.admin_api, "call", stand_in.call)
    return stand_in


async def hold(points: int = 250, key: str = "k1") -> RedemptionView:
    await earning.ensure_program(ALICE, "USD", "UTC")
    await handle(paid("1", line(f"{points}.00")))
    return await rewards.redeem(ALICE, BOB, await reward_of_100(), key, "r")


async def reward_of_100() -> str:
    return next(row.id for row in await reads.rewards(ALICE) if row.cost == 100)


async def make_due(at: str = "now()", **more: str) -> None:
    changes = ", ".join(
        f"{name} = {value}" for name, value in {"next_attempt_at": at, **more}.items()
    )
    async with db.connection() as conn:
        await conn.execute(f"UPDATE redemptions SET {changes}")


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
        ShopifyRefusedError(402),
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


async def test_after_an_hour_a_code_that_exists_is_captured(
    stores: db.Stores, shopify: Shopify
) -> None:
    held = await hold()
    shopify.lost_answers = 1
    await redemption.complete(stores, CLIENT, held.id)
    await make_due(give_up_at="now()")
    await redemption.sweep(stores, CLIENT)
    assert (await redemption.view(held.id)).state == "captured"
    assert shopify.calls == ["discount_create", "discount_by_code"]


async def test_after_an_hour_without_a_code_the_points_are_back_and_a_late_code_is_switched_off(
    stores: db.Stores, shopify: Shopify
) -> None:
    held = await hold()
    shopify.failures = [UnavailableError("away"), UnavailableError("away")]
    await redemption.complete(stores, CLIENT, held.id)
    await make_due(give_up_at="now()")
    await redemption.sweep(stores, CLIENT)
    assert (await redemption.view(held.id)).state == "held", "a lookup that fails proves nothing"
    await make_due()
    await redemption.sweep(stores, CLIENT)
    assert (await redemption.view(held.id)).state == "released"
    assert await figures() == {"available": 250}
    # the call we gave up on arrives after all
    code = await one("SELECT code FROM redemptions")
    title = f"5.00 off (Holdfast {held.id})"
    shopify.discounts[code] = {
        "id": "gid://x/9",
        "codeDiscount": {"title": title, "status": "ACTIVE"},
    }
    assert await redemption.sweep(stores, CLIENT) == 0
    shopify.failures = [UnavailableError("away")]
    later = now() + timedelta(minutes=16)
    await make_due()
    await redemption.sweep(stores, CLIENT, later)
    assert shopify.discounts[code]["codeDiscount"]["status"] == "ACTIVE"
    await make_due()
    await redemption.sweep(stores, CLIENT, later)
    assert shopify.discounts[code]["codeDiscount"]["status"] == "EXPIRED"
    assert await one("SELECT next_attempt_at FROM redemptions") is None
    assert await figures() == {"available": 250}


async def test_many_who_complete_one_redemption_at_once_make_one_code(
    stores: db.Stores, shopify: Shopify
) -> None:
    held = await hold()
    await asyncio.gather(*(redemption.complete(stores, CLIENT, held.id) for _ in range(20)))
    assert (await redemption.view(held.id)).state == "captured"
    assert shopify.calls == ["discount_create"]
    assert await figures() == {"available": 150, "spent": 100}


async def test_one_shops_backlog_does_not_hold_up_the_sweep_for_another(
    stores: db.Stores, shopify: Shopify
) -> None:
    await hold(key="k0")
    reward = next(row.id for row in await reads.rewards(ALICE) if row.cost == 100)
    await rewards.redeem(ALICE, BOB, reward, "k9", "r")
    charlie = "charlie.myshopify.com"
    await earning.ensure_program(charlie, "USD", "UTC")
    await handle(paid("1", line("150.00"), shop=charlie))
    theirs = next(row.id for row in await reads.rewards(charlie) if row.cost == 100)
    await rewards.redeem(charlie, BOB, theirs, "k1", "r")
    await make_due()
    async with db.connection() as conn:
        due = await conn.fetch(redemption.SELECT_DUE, now() + timedelta(seconds=1), 2)
        shops = [
            await conn.fetchval("SELECT shop FROM redemptions WHERE id = $1", row["id"])
            for row in due
        ]
    assert set(shops) == {ALICE, charlie}


async def test_points_given_back_repay_a_debt_made_meanwhile_and_lapsed_ones_expire(
    stores: db.Stores, shopify: Shopify
) -> None:
    await program(clawback="debt", expiry_days=5)
    held = await hold(100)
    await handle(refunded("1", "r1", amount="30.00"))
    assert await figures() == {"held": 100, "reversed": 30, "debt": 30}
    await settling.give_back(stores, held.id, "a test")
    assert await figures() == {"reversed": 30, "available": 70}
    assert await expiry.expire_due(now() + timedelta(days=7)) == 1
    assert await figures() == {"reversed": 30, "expired": 70}
    assert (await verify()).is_sound


async def test_a_lot_that_lapsed_under_a_hold_expires_when_it_comes_back(
    stores: db.Stores, shopify: Shopify
) -> None:
    await program(expiry_days=5)
    held = await hold(250)
    later = now() + timedelta(days=7)
    assert await expiry.expire_due(later) == 1
    assert await figures() == {"held": 100, "expired": 150}
    await settling.give_back(stores, held.id, "a test")
    with pytest.raises(RefusedError):
        await ledger.adjust(ALICE, BOB, -101, "more than came back", "a1", "staff-1")
    assert await expiry.expire_due(later) == 1
    assert await expiry.expire_due(later) == 0
    assert await figures() == {"expired": 250}
    assert (await verify()).is_sound


async def test_an_unknown_redemption_is_not_found(stores: db.Stores, shopify: Shopify) -> None:
    with pytest.raises(NotFoundError):
        await redemption.complete(stores, CLIENT, "00000000-0000-0000-0000-000000000000")
    assert shopify.calls == []
