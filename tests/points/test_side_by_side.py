"""Several workers at once, on the same orders and the same people: no deadlock, nothing twice,
nothing lost.
"""

import asyncio
import contextvars
import random
import uuid
from datetime import timedelta
from functools import partial

import asyncpg
import pytest

from app import db
from app.errors import HoldfastError
from app.flow.event import Event
from app.points import handlers
from app.points.earning import actions as earning
from app.points.earning.orders import OrderBatch
from app.points.facts import read
from app.points.ledger import actions as ledger
from app.points.ledger import expiry
from app.points.ledger.audit import verify
from app.points.members import reads
from app.points.rewards import actions as rewards
from app.resilience import failures
from tests.points.world import (
    ALICE,
    BOB,
    cancelled,
    crowd,
    fact,
    figures,
    handle,
    line,
    now,
    one,
    paid,
    program,
    refunded,
)

pytestmark = pytest.mark.usefixtures("stores")


async def test_a_refund_in_one_worker_sees_the_order_another_is_just_posting() -> None:
    for number in range(20):
        order = f"o{number}"
        await asyncio.gather(
            handle(paid(order, line("10.00", 1, "a"))),
            handle(refunded(order, f"r{number}", {"a": 1})),
        )
    assert await figures() == {"reversed": 200}
    assert await one("SELECT count(*) FROM grants WHERE outcome = 'waiting'") == 0


async def test_two_workers_with_the_same_facts_in_any_order_post_each_once() -> None:
    await program(clawback="debt")
    customers = [f"c{number}" for number in range(15)]
    facts: list[Event] = []
    for number in range(120):
        facts.append(paid(f"o{number}", line("12.00", 3, "a"), customer=random.choice(customers)))
        if number % 3 == 0:
            facts.append(refunded(f"o{number}", f"r{number}", {"a": 1}))
        if number % 10 == 0:
            facts.append(cancelled(f"o{number}"))

    async def worker() -> None:
        mine = random.sample(facts, len(facts))
        for start in range(0, len(mine), 20):
            await handle(*mine[start : start + 20])

    await asyncio.gather(worker(), worker(), worker())
    assert await one("SELECT count(*) FROM grants") == 120
    assert await one("SELECT sum(issued) FROM members") == 120 * 12
    assert await one("SELECT sum(reversed) FROM members") == 12 * 12 + 4 * (40 - 4)
    report = await verify()
    assert report.is_sound, report.problems


async def test_who_is_made_a_member_twice_at_once_is_one_and_has_all_their_points() -> None:
    async def slow() -> None:
        batch = OrderBatch(read([paid("1", line("10.00"))], now()), now())
        async with db.transaction() as conn:
            await batch.load(conn)
            # a task inherits the open transaction, which another worker would not
            quick = handle(paid("2", line("5.00")))
            await asyncio.create_task(quick, context=contextvars.Context())
            batch.decide()
            await batch.write(conn)

    with pytest.raises(asyncpg.SerializationError) as found:
        await slow()
    assert failures.is_conflict(found.value)
    assert await figures() == {"available": 5}
    await handle(paid("1", line("10.00")))
    assert await figures() == {"available": 15}
    assert (await verify()).is_sound


async def test_shoppers_staff_time_and_orders_meet_on_one_member() -> None:
    await program(pending_days=1, expiry_days=1, clawback="debt")
    await earning.ensure_program(ALICE, "USD", "UTC")
    await handle(paid("first", line("500.00")))
    reward = next(row.id for row in await reads.rewards(ALICE) if row.cost == 100)

    async def tolerant(call, *arguments) -> None:
        try:
            await call(*arguments)
        except HoldfastError as error:
            assert error.permanent  # noqa: PT017 - refused by a rule, never by the database

    later = now() + timedelta(days=400)
    work = []
    for number in range(25):
        work += [
            partial(handle, paid(f"o{number}", line("20.00", 2, "a"))),
            partial(handle, refunded(f"o{number}", f"r{number}", {"a": 1})),
            partial(tolerant, rewards.redeem, ALICE, BOB, reward, str(uuid.uuid4()), "r"),
            partial(
                tolerant,
                *(ledger.adjust, ALICE, BOB, random.choice((-5, 7))),
                *("a test", str(number), "staff-1"),
            ),
            partial(expiry.end_hold_backs, later),
            partial(expiry.expire_due, later),
        ]
    random.shuffle(work)
    await crowd(*work)
    report = await verify()
    assert report.is_sound, report.problems


async def test_time_skips_a_member_somebody_is_busy_with() -> None:
    await program(pending_days=1)
    await handle(paid("1", line("10.00")), paid("2", line("10.00"), customer="charlie"))
    later = now() + timedelta(days=400)
    async with db.transaction() as conn:
        await conn.execute("SELECT FROM members WHERE customer_id = $1 FOR UPDATE", BOB)
        # a task inherits the open transaction, which another worker would not
        other = asyncio.create_task(expiry.end_hold_backs(later), context=contextvars.Context())
        assert await asyncio.wait_for(other, 30) == 1
    assert await figures("charlie") == {"available": 10}
    assert await figures() == {"pending": 10}
    assert await expiry.end_hold_backs(later) == 1


async def test_a_batch_with_one_bad_fact_changes_nothing() -> None:
    with pytest.raises(Exception, match="amount"):
        await handle(paid("1", line("10.00")), paid("2", line("NaN")))
    assert await one("SELECT count(*) FROM grants") == 0
    assert await one("SELECT count(*) FROM members") == 0


async def test_a_batch_of_500_orders_is_a_handful_of_statements(stores: db.Stores) -> None:
    events = [paid(str(number), line("10.00"), customer=f"c{number % 50}") for number in range(500)]
    statements = []
    async with db.transaction() as conn:
        conn.add_query_logger(lambda record: statements.append(record.query))
        after_commit = await handlers.handle(conn, events, stores)
        assert 0 < len(statements) <= 11, statements
    assert after_commit is not None
    await after_commit()
    assert await one("SELECT sum(available) FROM members") == 5_000
    cached = await reads.balance_reading(stores, ALICE, "c7")
    assert (cached.source, cached.value.available) == ("live", 100)


async def test_new_customers_are_members_and_deleted_ones_keep_only_their_figures() -> None:
    def told(topic: str, customer: str = BOB) -> Event:
        return fact(topic, {"customer_id": customer, "name": "Bob", "updated_at": None})

    async def listed() -> list[tuple[str, int]]:
        members = (await reads.newest_members(ALICE)).members
        return [(row.customer_id, row.available) for row in members]

    await handle(told("customer.updated"))
    assert await listed() == []
    await handle(told("customer.created"), told("customer.created", "charlie"))
    assert await listed() == [("charlie", 0), (BOB, 0)]
    await handle(paid("1", line("10.00")))
    await handle(
        *(fact("customer.deleted", {"customer_id": one}) for one in (BOB, "charlie", "ghost"))
    )
    assert await listed() == [(BOB, 10)]
    assert await reads.totals_of(ALICE) == (1, 10)
    await handle(told("customer.updated"), paid("2", line("5.00")))
    assert await listed() == [(BOB, 15)]
    assert (await verify()).is_sound


async def test_waiting_too_long_for_somebodys_row_blames_no_event() -> None:
    async def post_with_a_limit() -> None:
        async with db.transaction() as conn:
            await conn.execute("SET LOCAL lock_timeout = '100ms'")
            await handlers.handle(conn, [paid("2", line("10.00"))])

    await handle(paid("1", line("10.00")))
    async with db.transaction() as conn:
        await conn.execute("SELECT FROM members WHERE customer_id = $1 FOR UPDATE", BOB)
        with pytest.raises(asyncpg.LockNotAvailableError) as waited:
            await asyncio.create_task(post_with_a_limit(), context=contextvars.Context())
    assert failures.is_passing(waited.value)
    assert await figures() == {"available": 10}
