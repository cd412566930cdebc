"""A redemption nobody has finished: tried again, given up after its time, and its points' own time
meanwhile.
"""

import asyncio
from datetime import timedelta

import pytest

from app import db
from app.errors import RefusedError, UnavailableError
from app.points.earning import actions as earning
from app.points.ledger import actions as ledger
from app.points.ledger import expiry
from app.points.ledger.audit import verify
from app.points.members import reads
from app.points.rewards import actions as rewards
from app.points.rewards import redemption, settling
from tests.points.rewards.discounts import CLIENT, Shopify, hold, make_due
from tests.points.world import ALICE, BOB, figures, handle, line, now, one, paid, program, refunded

pytestmark = pytest.mark.usefixtures("stores")


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


@pytest.mark.parametrize("state", ["held", "released", "captured"])
async def test_a_redemption_that_cannot_be_read_is_put_off_and_holds_up_no_other(
    stores: db.Stores, shopify: Shopify, state: str
) -> None:
    """Such as one whose reward a newer release has written, and that was taken back."""
    broken = await hold()
    reward = next(row.id for row in await reads.rewards(ALICE) if row.cost == 100)
    whole = await rewards.redeem(ALICE, BOB, reward, "k9", "r")
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE redemptions SET details = $2, state = $3, ends_at = now() WHERE id = $1",
            broken.id,
            '{"on_return": "by moonlight"}',
            state,
        )
    await make_due()
    assert await redemption.sweep(stores, CLIENT) == 2
    assert (await redemption.view(whole.id)).state == "captured"
    put_off = "SELECT next_attempt_at > now() + interval '10 min' FROM redemptions WHERE id = $1"
    async with db.connection() as conn:
        assert await conn.fetchval(put_off, broken.id)


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
