"""Adjusting by staff, and points whose hold-back has ended."""

import pytest

from app import db
from app.errors import BadInputError, ConflictError, NotFoundError, RefusedError
from app.points.ledger import actions as ledger
from app.points.ledger import expiry
from app.points.members import reads
from tests.points.world import (
    ALICE,
    BOB,
    bob_has,
    figures,
    handle,
    line,
    now,
    paid,
    program,
)

pytestmark = pytest.mark.usefixtures("stores")
NASTY = 'O\'Hara "<script>alert(1)</script>" \u202e\u05e9\u05dc\u05d5\u05dd \U0001f984 \\ %_;--'


async def test_adjustments_keep_their_reason_as_it_was_typed() -> None:
    await bob_has(10)
    await ledger.adjust(ALICE, BOB, 5, NASTY, "a1", "staff-1")
    balance = await ledger.adjust(ALICE, BOB, 5, NASTY, "a1", "staff-1")
    assert balance.available == 15
    await ledger.adjust(ALICE, BOB, -15, "a\x00b", "a2", "staff-1")
    assert await figures() == {"reversed": 15}
    detail = await reads.member(ALICE, BOB)
    assert NASTY in detail.ledger[1].sentence
    assert detail.expiries == []


async def test_adjustments_that_make_no_sense_are_refused() -> None:
    await bob_has(10)
    with pytest.raises(RefusedError):
        await ledger.adjust(ALICE, BOB, -11, "too much", "a1", "staff-1")
    for points, reason in ((0, "zero"), (5, "  "), (5, "x" * 501), (10**12, "huge")):
        with pytest.raises(BadInputError):
            await ledger.adjust(ALICE, BOB, points, reason, "a1", "staff-1")
    with pytest.raises(NotFoundError):
        await ledger.adjust(ALICE, "nobody", 5, "hello", "a1", "staff-1")
    await ledger.adjust(ALICE, BOB, 5, "hello", "a1", "staff-1")
    with pytest.raises(ConflictError):
        await ledger.adjust(ALICE, BOB, 6, "hello", "a1", "staff-1")
    assert await figures() == {"available": 15}


async def test_pending_points_are_released_when_their_time_has_come() -> None:
    await program(pending_days=7)
    await handle(paid("1", line("10.00")), paid("2", line("5.00"), customer="charlie"))
    assert await expiry.end_hold_backs(now()) == 0
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE lots SET available_at = now(), due_at = now() WHERE source = 'order:1'"
        )
    assert await expiry.end_hold_backs(now()) == 1
    assert await figures() == {"available": 10}
    assert await figures("charlie") == {"pending": 5}
    assert "hold-back" in (await reads.member(ALICE, BOB)).ledger[0].sentence
