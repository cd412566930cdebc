"""Orders that an earlier stand-in store wrote to disk are read as what they were."""

from pathlib import Path

import msgspec

from devstore.shop import totals
from devstore.shop.state import State

SHOP = "alice.myshopify.com"
AT = "2026-01-01T00:00:00.000+00:00"


def written(*, is_paid: bool, adjustment_cents: int) -> dict[str, object]:
    line = {
        "id": 2,
        "product_id": None,
        "variant_id": None,
        "title": "Mug",
        "price_cents": 1000,
        "quantity": 2,
        "is_gift_card": False,
        "allocations": [100],
        "tax_cents": 152,
    }
    refund = {
        "id": 5,
        "transaction_id": 6,
        "created_at": AT,
        "note": None,
        "items": [],
        "shipping_cents": 0,
        "adjustment_cents": adjustment_cents,
        "adjustment_id": 7,
    }
    return {
        "id": 1,
        "shop": SHOP,
        "number": 1001,
        "token": "a",
        "customer_id": None,
        "email": None,
        "currency": "USD",
        "created_at": AT,
        "processed_at": AT,
        "updated_at": AT,
        "lines": [line],
        "codes": [],
        "shipping_cents": 500,
        "transaction_id": 3,
        "shipping_line_id": 4,
        "is_paid": is_paid,
        "refunds": [refund] if adjustment_cents else [],
    }


async def read(path: Path, order: dict[str, object]):
    state = State(path)
    state.tables["order"]["1"] = None
    state._dirty["order", "1"] = msgspec.json.encode(order)
    await state.saved()
    state.close()
    again = State(path)
    again.close()
    return again.tables["order"]["1"]


async def test_a_paid_order_with_a_refund_is_paid_and_refunded(tmp_path: Path) -> None:
    order = await read(tmp_path / "a.sqlite3", written(is_paid=True, adjustment_cents=700))
    assert totals.received_cents(order) == totals.total_cents(order) == 2552
    assert totals.financial_status(order) == "partially_refunded"
    assert (totals.given_back_cents(order), totals.current_cents(order)) == (700, 1852)
    assert totals.outstanding_cents(order) == 0


async def test_an_order_that_is_not_paid_is_pending(tmp_path: Path) -> None:
    order = await read(tmp_path / "a.sqlite3", written(is_paid=False, adjustment_cents=0))
    assert totals.financial_status(order) == "pending"
    assert totals.outstanding_cents(order) == 2552
