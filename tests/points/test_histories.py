"""Random histories of everything that can happen to points equal the simple model, on a real
database.
"""

import itertools
import os
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import db
from app.errors import HoldfastError, RefusedError
from app.points.ledger import actions as ledger
from app.points.ledger import expiry, totals
from app.points.ledger.audit import verify
from app.points.rewards import actions as rewards
from app.points.rewards import offers, settling
from tests.points import world
from tests.points.model import Model, Rules
from tests.points.world import handle, line, now

pytestmark = pytest.mark.usefixtures("stores")
CUSTOMERS = ("bob", "charlie")
COSTS = (3, 20)
EXAMPLES = int(os.environ.get("HOLDFAST_EXAMPLES", "60"))  # more of them before a release
ORDERS = 8
shops = (f"shop-{number}.myshopify.com" for number in itertools.count())

cents = st.integers(0, 12_000).map(lambda value: f"{value // 100}.{value % 100:02d}")
order = st.tuples(
    st.sampled_from([*CUSTOMERS, "bob", None]),
    st.lists(
        st.tuples(st.integers(1, 3), cents, st.sampled_from([False, False, False, True])),
        min_size=1,
        max_size=3,
    ),
)
number = st.integers(0, ORDERS - 1)
paid = st.tuples(st.just("paid"), number)
reversal = st.one_of(
    st.tuples(
        st.just("refund"),
        number,
        st.integers(0, 3),
        st.dictionaries(
            st.sampled_from(["l0", "l1", "l2", "other"]), st.integers(0, 4), max_size=3
        ),
        st.one_of(st.just("0"), cents),
    ),
    st.tuples(st.just("cancel"), number),
)
event = st.one_of(paid, paid, reversal)
step = st.one_of(
    st.tuples(st.just("events"), st.lists(event, min_size=1, max_size=4)),
    st.tuples(st.just("events"), st.lists(event, min_size=1, max_size=4)),
    st.tuples(st.just("redeem"), st.sampled_from(CUSTOMERS), st.sampled_from(COSTS)),
    st.tuples(st.just("settle"), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("adjust"), st.sampled_from(CUSTOMERS), st.integers(-30, 30).filter(bool)),
    st.tuples(st.just("time"), st.integers(1, 15)),
    st.tuples(
        st.just("edit"),
        st.builds(
            Rules,
            st.sampled_from(["1", "0.37", "2.5", "0"]),
            st.sampled_from(["down", "nearest", "up"]),
            st.sampled_from([0, 0, 5]),
            st.sampled_from([None, 3, 10]),
            st.sampled_from(["pending_only", "within_balance", "debt", "debt"]),
        ),
    ),
)


class Run:
    """One history, told to the service and to the model."""

    def __init__(self, orders: list[Any]) -> None:
        self.shop = next(shops)
        self.orders = orders
        self.clock = now()
        self.model = Model(self.clock)
        self.held: list[str] = []
        self.keys = itertools.count()

    async def start(self, stores: db.Stores) -> None:
        self.stores = stores
        self.rewards = {
            cost: (await offers.save_reward(self.shop, None, f"{cost} points", cost, "1.00")).id
            for cost in COSTS
        }

    async def events(self, batch: list[Any]) -> None:
        paid: dict[str, Any] = {}
        reversals: dict[str, Any] = {}
        facts = []
        for kind, index, *rest in batch:
            customer, lines = self.orders[index]
            name = f"o{index}"
            if kind == "paid":
                told = [
                    line(amount, quantity, f"l{place}", gift)
                    for place, (quantity, amount, gift) in enumerate(lines)
                ]
                facts.append(
                    world.paid(name, *told, customer=customer, shop=self.shop, at=self.model.start)
                )
                paid[name] = (
                    customer,
                    {
                        one["line_id"]: (one["quantity"], one["amount"], one["gift_card"])
                        for one in told
                    },
                )
            elif kind == "refund":
                refund, refunded, amount = rest
                facts.append(world.refunded(name, f"{index}-{refund}", refunded, amount, self.shop))
                reversals.setdefault(f"refund:{index}-{refund}", (name, refunded, amount, False))
            else:
                facts.append(world.cancelled(name, self.shop))
                reversals.setdefault(f"cancel:{name}", (name, {}, "0", True))
        await handle(*facts)
        self.model.events(paid, reversals)

    async def redeem(self, customer: str, cost: int) -> None:
        try:
            view = await rewards.redeem(
                self.shop, customer, self.rewards[cost], f"k{next(self.keys)}", "r"
            )
            self.held.append(view.id)
            was_held = True
        except RefusedError:
            was_held = False
        assert was_held == self.model.redeem(customer, cost)

    async def settle(self, index: int, is_captured: bool) -> None:
        if not self.held:
            return
        index %= len(self.held)
        redemption = self.held.pop(index)
        for _ in range(2):  # the second time changes nothing
            if is_captured:
                await settling.capture(self.stores, redemption, "gid://shopify/DiscountCodeNode/1")
            else:
                await settling.give_back(self.stores, redemption, "a test")
        self.model.settle(index, is_captured)

    async def adjust(self, customer: str, points: int) -> None:
        key = f"a{next(self.keys)}"
        try:
            await ledger.adjust(self.shop, customer, points, "a test", key, "staff-1")
            was_done = True
        except HoldfastError:
            was_done = False
        assert was_done == self.model.adjust(customer, f"adjustment:{key}", points, now())

    async def time(self, days: int) -> None:
        self.clock += timedelta(days=days)
        for change in (expiry.end_hold_backs, expiry.expire_due):
            while await change(self.clock):
                pass
        self.model.time(self.clock)

    async def edit(self, rules: Rules) -> None:
        await world.program(self.shop, **vars(rules))
        self.model.rules = rules

    async def compare(self) -> None:
        async with db.connection() as conn:
            members = await conn.fetch("SELECT * FROM members WHERE shop = $1", self.shop)
            lots = await conn.fetch(
                "SELECT source, remaining FROM lots WHERE shop = $1 AND remaining > 0", self.shop
            )
        found = {row["customer_id"]: row for row in members}
        assert found.keys() == self.model.people.keys()
        for customer, person in self.model.people.items():
            assert {name: found[customer][name] for name in person.figures} == person.figures
        expected = {
            lot.source: lot.remaining
            for one in self.model.people.values()
            for lot in one.lots
            if lot.remaining
        }
        assert {row["source"]: row["remaining"] for row in lots} == expected
        async with db.connection() as conn:
            assert await totals.differing(conn, self.shop) == []
        if next(self.keys) % 3 == 0:
            await totals.fold()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(order, min_size=ORDERS, max_size=ORDERS), st.lists(step, min_size=20, max_size=35))
async def test_a_random_history_equals_the_model(
    stores: db.Stores, orders: list[Any], steps: list[Any]
) -> None:
    run = Run(orders)
    await run.start(stores)
    for kind, *arguments in steps:
        await getattr(run, kind)(*arguments)
        await run.compare()
    report = await verify(run.shop)
    assert report.is_sound, report.problems


@settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=list(HealthCheck))
@given(order, st.lists(reversal, max_size=6), st.randoms())
async def test_refunds_add_up_to_the_same_in_any_order_and_split(
    stores: db.Stores, first: Any, reversals: list[Any], shuffled: Any
) -> None:
    orders = [("bob", first[1])]
    told: list[Any] = [("paid", 0), *((kind, 0, *rest) for kind, _, *rest in reversals)]
    seen = {}  # a refund has one content
    told = [seen.setdefault((one[0], *one[2:3]), one) for one in told]
    sums = set()
    for is_mixed in (False, True, True):
        run = Run(orders)
        await run.start(stores)
        events = list(told)
        if is_mixed:
            shuffled.shuffle(events)
        while events:
            size = shuffled.randint(1, 3)
            batch, events = events[:size], events[size:]
            await run.events(batch)
        async with db.connection() as conn:
            row = await conn.fetchrow(
                "SELECT points, reversed_points FROM awards WHERE shop = $1", run.shop
            )
        sums.add(tuple(row))
    assert len(sums) == 1
