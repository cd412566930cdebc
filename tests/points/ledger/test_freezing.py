"""A member whose points do not add up is frozen alone; time and orders go on for everybody else."""

import asyncio
import sys

import pytest

from app import config as settings
from app import db
from app.errors import ConflictError
from app.flow import dead_letters
from app.flow.event import Event
from app.points import handlers
from app.points.earning import actions as earning
from app.points.ledger import actions as ledger
from app.points.ledger import expiry, freezing
from app.points.ledger.accounts import BrokenAccountError, FrozenError
from app.points.ledger.audit import verify
from app.points.members import reads
from app.points.rewards import actions as rewards
from app.points.rewards import settling
from app.resilience import failures
from tests.points.world import (
    ALICE,
    BOB,
    cancelled,
    days_ago,
    figures,
    handle,
    line,
    now,
    one,
    paid,
    program,
)

pytestmark = pytest.mark.usefixtures("stores")
OTHERS = [str(number) for number in range(8000, 8020)]


async def sql(statement: str, *arguments: object) -> None:
    async with db.connection() as conn:
        await conn.execute(statement, *arguments)


async def everybody_earns(amount: str = "10.00") -> None:
    at = days_ago(5)
    await handle(
        *(paid(f"o{who}", line(amount), customer=who, at=at) for who in [*OTHERS[:9], BOB]),
        *(paid(f"o{who}", line(amount), customer=who, at=at) for who in OTHERS[9:]),
    )


async def break_bob(change: str = "remaining = remaining + 5, granted = granted + 5") -> None:
    of_bob = "member_id = (SELECT id FROM members WHERE customer_id = $1)"
    await sql(f"UPDATE lots SET {change} WHERE {of_bob}", BOB)


async def frozen() -> str | None:
    return await one("SELECT string_agg(customer_id, ',') FROM members WHERE frozen_at IS NOT NULL")


async def test_of_many_whose_points_expire_one_bad_member_is_frozen_alone() -> None:
    await program(expiry_days=1)
    await everybody_earns()
    await break_bob()
    assert await expiry.expire_due(now()) == len(OTHERS)
    assert await frozen() == BOB
    assert "would leave -5 in available" in await one("SELECT max(frozen_reason) FROM members")
    assert await figures() == {"available": 10}
    assert [await figures(who) for who in OTHERS] == [{"expired": 10}] * len(OTHERS)
    assert await expiry.expire_due(now()) == 0
    assert await one("SELECT count(*) FROM lots WHERE due_at <= now()") == 0


async def test_of_many_whose_hold_back_ends_one_bad_member_is_frozen_alone() -> None:
    await program(pending_days=30)
    await everybody_earns()
    await break_bob()
    await sql("UPDATE lots SET available_at = now(), due_at = now()")
    assert await expiry.end_hold_backs(now()) == len(OTHERS)
    assert await frozen() == BOB
    assert await figures() == {"pending": 10}
    assert await figures(OTHERS[0]) == {"available": 10}


async def test_a_natural_key_that_is_taken_freezes_its_member_alone() -> None:
    await program(expiry_days=1)
    await everybody_earns()
    lot = await one("SELECT id FROM lots WHERE source = $1", f"order:o{BOB}")
    await sql(
        "UPDATE ledger SET source = $1, effect = 'expire' WHERE source = $2",
        f"lot:{lot}",
        f"order:o{BOB}",
    )
    assert await expiry.expire_due(now()) == len(OTHERS)
    assert await frozen() == BOB


async def test_a_store_in_trouble_freezes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    await program(expiry_days=1)
    await everybody_earns()

    async def away(*_: object, **__: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(expiry, "_order_names", away)
    with pytest.raises(ConnectionResetError):
        await expiry.expire_due(now())
    assert await frozen() is None


async def test_a_mistake_of_ours_freezes_nobody_and_holds_up_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await program(expiry_days=1)
    await everybody_earns()
    expire = expiry._expire

    def mistaken(batch, account, lot, name) -> None:
        if account.customer_id == BOB:
            raise KeyError(name)
        expire(batch, account, lot, name)

    monkeypatch.setattr(expiry, "_expire", mistaken)
    assert await expiry.expire_due(now()) == len(OTHERS)
    assert await frozen() is None
    monkeypatch.undo()
    assert await expiry.expire_due(now()) == 1


async def test_a_member_with_more_due_lots_than_one_run_takes_is_done_in_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(expiry, "LOTS_MAX", 3)
    await program(expiry_days=1)
    await handle(*(paid(f"o{number}", line("1.00"), at=days_ago(5)) for number in range(8)))
    assert [await expiry.expire_due(now()) for _ in range(4)] == [3, 3, 2, 0]
    assert await figures() == {"expired": 8}


async def test_nothing_of_a_frozen_member_moves_and_others_go_on() -> None:
    await earning.ensure_program(ALICE, "USD", "UTC")
    await everybody_earns("300.00")
    reward = next(row.id for row in await reads.rewards(ALICE) if row.cost == 100)
    await freezing.freeze(await one("SELECT id FROM members WHERE customer_id = $1", BOB), "a test")
    with pytest.raises(FrozenError) as refused:
        await rewards.redeem(ALICE, BOB, reward, "k1", "r")
    assert (refused.value.status, refused.value.code) == (422, "points_on_hold")
    for points in (5, -5):
        with pytest.raises(FrozenError):
            await ledger.adjust(ALICE, BOB, points, "a test", f"a{points}", "staff-1")
    with pytest.raises(FrozenError) as dead:
        await handle(paid("2", line("5.00")))
    assert failures.is_permanent(dead.value)
    assert await figures() == {"available": 300}
    await rewards.redeem(ALICE, OTHERS[0], reward, "k1", "r")
    assert (await reads.member(ALICE, BOB)).is_frozen
    assert not (await reads.member(ALICE, OTHERS[0])).is_frozen


async def test_a_shopper_whose_lots_are_short_is_frozen_by_spending(stores: db.Stores) -> None:
    await earning.ensure_program(ALICE, "USD", "UTC")
    await handle(paid("1", line("300.00")))
    reward = next(row.id for row in await reads.rewards(ALICE) if row.cost == 100)
    held = await rewards.redeem(ALICE, BOB, reward, "k1", "r")
    await break_bob("remaining = granted")  # the held points cannot go back into a full lot
    with pytest.raises(FrozenError):
        await settling.give_back(stores, held.id, "a test")
    assert await frozen() == BOB
    assert await figures() == {"available": 200, "held": 100}


async def test_an_order_that_meets_a_broken_member_freezes_them_after_its_transaction(
    stores: db.Stores,
) -> None:
    await program(clawback="debt")
    await everybody_earns()
    await break_bob("remaining = 3")
    bound = handlers.handler(stores)
    event = cancelled(f"o{BOB}")
    with pytest.raises(BrokenAccountError) as broken:
        await in_transaction(bound, event)
    assert failures.is_permanent(broken.value)
    assert await frozen() is None
    assert await freezing.freeze_suspects() == 1
    assert await freezing.freeze_suspects() == 0
    assert await frozen() == BOB
    with pytest.raises(FrozenError):
        await in_transaction(bound, event)


async def test_a_letter_of_a_frozen_member_is_posted_after_the_repair(
    stores: db.Stores, config: settings.Config
) -> None:
    await program(expiry_days=1)
    await everybody_earns()
    await break_bob()
    await expiry.expire_due(now())
    event = paid("2", line("7.00"))
    with pytest.raises(FrozenError) as refused:
        await handle(event)
    async with db.transaction() as conn:
        await dead_letters.add(
            conn,
            refused.value,
            service="points",
            shop=ALICE,
            topic=event.topic,
            reference=event.id,
            payload=b"{}",
        )
    assert await one("SELECT state FROM dead_letters") == "dead"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workers.repair", ALICE, BOB),
        cwd=settings.ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert (process.returncode, output) == (0, b"Repaired: available lots +5 points.\n")
    assert await frozen() is None
    await handle(event)
    assert await expiry.expire_due(now()) == 1
    assert await figures() == {"expired": 10, "available": 7}
    assert (await verify()).is_sound


@pytest.mark.parametrize("pending_days", [0, 30])
async def test_points_that_no_lot_holds_come_back_by_a_repair(pending_days: int) -> None:
    await program(pending_days=pending_days)
    await handle(paid("1", line("10.00")))
    await break_bob("remaining = 4")
    kind = "pending" if pending_days else "available"
    assert (await ledger.repair(ALICE, BOB))[kind] == -6
    assert (await verify()).is_sound
    assert (await ledger.repair(ALICE, BOB))[kind] == 0
    await expiry.end_hold_backs(now())
    assert (await verify()).is_sound


async def test_a_balance_the_ledger_contradicts_is_not_repaired() -> None:
    await handle(paid("1", line("10.00")))
    await freezing.freeze(await one("SELECT id FROM members"), "a test")
    await sql("UPDATE members SET available = available + 1")
    with pytest.raises(ConflictError, match="sum of the ledger"):
        await ledger.repair(ALICE, BOB)
    assert await frozen() == BOB


async def in_transaction(bound: handlers.Handle, event: Event) -> None:
    async with db.transaction() as conn:
        await bound(conn, [event])
