"""Orders, refunds and cancellations become movements, once each, whatever order they come in."""

import pytest

from app import db
from app.errors import BadInputError
from tests.flow.helpers import written
from tests.points.world import (
    ALICE,
    BOB,
    cancelled,
    days_ago,
    figures,
    handle,
    line,
    one,
    paid,
    program,
    refunded,
)

pytestmark = pytest.mark.usefixtures("stores")


async def test_a_paid_order_earns_a_point_a_whole_unit_of_its_merchandise() -> None:
    await handle(paid("1", line("40.00"), line("9.90"), line("25.00", gift_card=True)))
    assert await figures() == {"available": 49}
    assert await one("SELECT outcome FROM grants") == "earned"
    assert [fact.topic for fact in await written()] == ["points.earned"]


async def test_the_same_order_told_twice_earns_once() -> None:
    await handle(paid("1", line("10.00")), paid("1", line("10.00")))
    await handle(paid("1", line("10.00")))
    assert await figures() == {"available": 10}


async def test_guests_and_test_orders_are_recorded_and_earn_nothing() -> None:
    await handle(paid("1", line("10.00"), customer=None), paid("2", line("10.00"), test=True))
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT outcome, points FROM grants ORDER BY source")
    assert [tuple(row) for row in rows] == [("guest", 0), ("test", 0)]
    assert await one("SELECT count(*) FROM ledger") == 0


async def test_refunds_in_parts_take_back_exactly_the_award() -> None:
    await program(rate="1.37", rounding="nearest")
    await handle(paid("1", line("33.33", 3, "a"), line("12.34", 2, "b")))
    whole = (await figures())["available"]
    await handle(refunded("1", "r1", {"a": 1}))
    assert 0 < (await figures())["available"] < whole
    await handle(refunded("1", "r2", {"b": 2}), refunded("1", "r3", {"a": 2}))
    assert await figures() == {"reversed": whole}


async def test_a_refund_before_its_order_waits_for_it() -> None:
    await handle(refunded("1", "r1", {"a": 1}))
    assert await figures() == {}
    await handle(paid("1", line("10.00", 2, "a")))
    assert await figures() == {"available": 5, "reversed": 5}
    await handle(refunded("1", "r1", {"a": 1}))
    assert await figures() == {"available": 5, "reversed": 5}


@pytest.mark.parametrize("policy", ["pending_only", "within_balance", "debt"])
async def test_a_cancellation_before_payment_nets_to_zero(policy: str) -> None:
    await program(clawback=policy)
    await handle(cancelled("1"))
    await handle(paid("1", line("10.00")))
    await handle(cancelled("2"), paid("2", line("10.00")), cancelled("2"))
    assert await figures() == {"reversed": 20}


async def test_a_refund_of_pending_points_voids_them() -> None:
    await program(pending_days=14, clawback="pending_only")
    await handle(paid("1", line("10.00", 2, "a")))
    assert await figures() == {"pending": 10}
    await handle(refunded("1", "r1", {"a": 1}))
    assert await figures() == {"pending": 5, "reversed": 5}


async def test_pending_only_leaves_what_is_available() -> None:
    await program(clawback="pending_only")
    await handle(paid("1", line("10.00", 1, "a")))
    await handle(refunded("1", "r1", {"a": 1}))
    assert await figures() == {"available": 10}
    assert await one("SELECT forgiven FROM grants") == 10


async def test_a_debt_is_repaid_by_later_earnings_first() -> None:
    await program(clawback="debt")
    await handle(paid("1", line("100.00", 1, "a")))
    async with db.transaction() as conn:  # as if it had been spent
        await conn.execute("UPDATE members SET available = 0, spent = 100")
        await conn.execute("UPDATE lots SET remaining = 0, due_at = NULL")
    await handle(refunded("1", "r1", {"a": 1}))
    assert await figures() == {"spent": 100, "reversed": 100, "debt": 100}
    await handle(paid("2", line("130.00")))
    assert await figures() == {"spent": 100, "reversed": 100, "available": 30}
    assert await one("SELECT remaining FROM lots WHERE source = 'order:2'") == 30


async def test_a_refund_of_money_without_lines_takes_its_share_and_the_rest_with_the_lines() -> (
    None
):
    await handle(paid("1", line("60.00", 1, "a"), line("40.00", 1, "b")))
    await handle(refunded("1", "r1", amount="25.00"))
    assert await figures() == {"available": 75, "reversed": 25}
    await handle(refunded("1", "r2", {"a": 1}))
    assert await figures() == {"available": 15, "reversed": 85}
    await handle(refunded("1", "r3", amount="15.00"))
    assert await figures() == {"reversed": 100}


async def test_expiry_is_the_end_of_a_day_where_the_merchant_is() -> None:
    await program(expiry_days=30, timezone="America/Sao_Paulo")
    await handle(paid("1", line("10.00")))
    hour = await one(
        "SELECT extract(hour FROM expires_at AT TIME ZONE 'America/Sao_Paulo') FROM lots"
    )
    assert hour == 0
    assert await one("SELECT due_at = expires_at FROM lots")


async def test_an_old_order_with_hold_back_is_available_at_once() -> None:
    await program(pending_days=7)
    await handle(paid("1", line("10.00"), at=days_ago(8)), paid("2", line("5.00"), at=days_ago(6)))
    assert await figures() == {"available": 10, "pending": 5}


async def test_an_amount_that_is_no_number_is_refused_for_good() -> None:
    with pytest.raises(BadInputError):
        await handle(paid("1", line("ten")))
    assert await one("SELECT count(*) FROM grants") == 0


async def test_another_shops_order_with_the_same_number_is_another_order() -> None:
    await handle(paid("1", line("10.00")), paid("1", line("20.00"), shop="charlie.myshopify.com"))
    await handle(refunded("1", "r1", amount="20.00", shop="charlie.myshopify.com"))
    assert await figures(BOB, ALICE) == {"available": 10}
    assert await figures(BOB, "charlie.myshopify.com") == {"reversed": 20}
