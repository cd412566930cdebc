"""Random histories of everything that can happen to points equal the simple model, on a real
database.
"""

import itertools
import os
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
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
from app.points.rewards import redemption as saga
from app.points.rewards.rules import Details
from tests.points import world
from tests.points.earning.campaigns.told import campaign, stacks, told
from tests.points.lives import Life, lives
from tests.points.model import Model, Rules
from tests.points.model_bonuses import Campaign
from tests.points.told import webhook
from tests.points.webhooks import tell, tell_facts
from tests.points.world import now

pytestmark = pytest.mark.usefixtures("stores")
CUSTOMERS = ("bob", "charlie")
NUMBERS = {"bob": "7001", "charlie": "7002"}
PAST = timedelta(hours=1)  # nothing happens in the future, and all of an order at its own second
COSTS = (3, 20)
POLICIES = ("whole", "share", "share", "never")
EXAMPLES = int(os.environ.get("HOLDFAST_EXAMPLES", "25"))  # more of them before a release
ORDERS = 4
shops = (f"shop-{number}.myshopify.com" for number in itertools.count())

# which webhook of which order: any, in any order, again, or never
event = st.tuples(st.integers(0, ORDERS - 1), st.integers(0, 15))
step = st.one_of(
    st.tuples(st.just("events"), st.lists(event, min_size=1, max_size=4)),
    st.tuples(st.just("events"), st.lists(event, min_size=1, max_size=4)),
    st.tuples(
        st.just("redeem"),
        st.sampled_from(CUSTOMERS),
        st.sampled_from(COSTS),
        st.sampled_from(POLICIES),
    ),
    st.tuples(st.just("use"), st.integers(0, 9), event),
    *[
        st.tuples(
            st.just("buy"),
            st.integers(0, ORDERS - 1),
            st.sampled_from(COSTS),
            st.sampled_from(POLICIES),
        )
    ]
    * 3,
    st.tuples(st.just("settle"), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("adjust"), st.sampled_from(CUSTOMERS), st.integers(-30, 30).filter(bool)),
    st.tuples(st.just("time"), st.integers(1, 15)),
    st.tuples(st.just("time"), st.integers(1, 5)),
    st.tuples(
        st.just("campaign"),
        st.sampled_from(["multiply", "multiply", "add"]),
        st.sampled_from(["2", "1.5", "3"]),
        st.sampled_from(["", "", "101"]),
        st.none() | st.integers(1, 60),
        st.none() | st.integers(1, 90),
    ),
    st.tuples(st.just("stack"), st.sampled_from(["best_of", "add", "multiply"])),
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


def _grant(source: str) -> str:
    """Which movement of an order made a lot is only a name; an adjustment has its own."""
    return ":".join(source.split(":")[:2])


class Run:
    """One history, told to the service and to the model."""

    def __init__(self, orders: list[Life]) -> None:
        self.shop = next(shops)
        self.orders = orders
        self.placed: dict[int, datetime] = {}
        self.clock = now()
        self.model = Model(self.clock)
        self.held: list[str] = []
        self.made: list[str] = []  # codes, as the model has them
        self.keys = itertools.count()

    async def start(self, stores: db.Stores) -> None:
        self.stores = stores
        await self.edit(Rules())
        self.rewards = {}
        for cost, policy in itertools.product(COSTS, set(POLICIES)):
            details = Details(on_return=policy)
            title = f"{cost} points"
            made = await offers.save_reward(self.shop, None, title, cost, "1.00", details=details)
            self.rewards[cost, policy] = made.id

    async def events(self, batch: list[tuple[int, int]], code: str = "") -> None:
        heard = []
        webhooks = []
        for index, place in batch:
            life = self.orders[index]
            # placed now, as far as rules and their edits are concerned
            placed = self.placed.setdefault(index, now() - PAST)
            message = life.messages[place % len(life.messages)]
            heard.append((str(5000 + index), placed, message))
            webhooks.append(webhook(message, self.shop, 5000 + index, placed, code))
        await tell(*webhooks, together=True)
        self.model.events(heard)

    async def use(self, index: int, event: tuple[int, int]) -> None:
        """An order is told with a code that was made, if it is its customer's."""
        if not self.made:
            return
        index %= len(self.made)
        code, life = self.model.codes[index], self.orders[event[0]]
        message = life.messages[event[1] % len(life.messages)]
        is_theirs = message.snapshot is not None and message.snapshot.customer == code.customer
        if is_theirs and not code.order:
            code.order = str(5000 + event[0])
        await self.events([event], self.made[index])

    async def buy(self, index: int, cost: int, policy: str) -> None:
        """Whoever has an order redeems, and uses the code for it."""
        told = enumerate(self.orders[index].messages)
        theirs = [place for place, one in told if one.snapshot and one.snapshot.customer]
        if not theirs:
            return
        snapshot = self.orders[index].messages[theirs[0]].snapshot
        await self.events([(index, place) for place in theirs[:2]])
        before = len(self.held)
        await self.redeem(snapshot.customer, cost, policy)
        if len(self.held) > before:
            await self.settle(len(self.held) - 1, is_captured=True)
            await self.use(len(self.made) - 1, (index, theirs[-1]))

    async def redeem(self, customer: str, cost: int, policy: str) -> None:
        reward_id, key = self.rewards[cost, policy], f"k{next(self.keys)}"
        try:
            view = await rewards.redeem(self.shop, NUMBERS[customer], reward_id, key, "r")
            self.held.append(view.id)
            was_held = True
        except RefusedError:
            was_held = False
        assert was_held == self.model.redeem(customer, cost, policy)

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
        if is_captured:
            self.made.append((await saga.view(redemption)).code)

    async def adjust(self, customer: str, points: int) -> None:
        key = f"a{next(self.keys)}"
        try:
            await ledger.adjust(self.shop, NUMBERS[customer], points, "a test", key, "staff-1")
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
        async with db.connection() as conn:
            await conn.execute(
                "UPDATE program_versions SET created_at = created_at - $2::interval "
                "WHERE shop = $1 AND created_at > now() - interval '10 minutes'",
                self.shop,
                PAST,
            )
        self.model.rules = rules

    async def campaign(
        self, effect: str, value: str, product: str, cap: int | None, budget: int | None
    ) -> None:
        """One more that runs from now on, as far as orders are concerned."""
        name, at = str(next(self.keys)), now() - PAST
        points = str(int(Decimal(value) * 10))
        one = campaign(
            name,
            campaign_id=name,
            effect=effect,
            value=points if effect == "add" else value,
            scope="products" if product else "all",
            ids=[product] if product else [],
            cap=cap,
            budget=budget,
        )
        await tell_facts(*told(one, at=at, shop=self.shop))
        self.model.shop.campaigns.append(
            Campaign(name, effect, Fraction(one.value), product, cap, budget, at)
        )

    async def stack(self, policy: str) -> None:
        policies, at = self.model.shop.policies, now() - PAST
        await tell_facts(stacks(policy, version=len(policies) + 1, at=at, shop=self.shop))
        policies.append((at, policy))

    async def compare(self) -> None:
        async with db.connection() as conn:
            members = await conn.fetch("SELECT * FROM members WHERE shop = $1", self.shop)
            lots = await conn.fetch(
                "SELECT source, remaining FROM lots WHERE shop = $1 AND remaining > 0", self.shop
            )
        found = {row["customer_id"]: row for row in members}
        people = {NUMBERS[name]: person for name, person in self.model.people.items()}
        assert found.keys() == people.keys()
        for customer, person in people.items():
            assert {name: found[customer][name] for name in person.figures} == person.figures
        expected = sorted(
            (_grant(lot.source), lot.remaining)
            for one in self.model.people.values()
            for lot in one.lots
            if lot.remaining
        )
        assert sorted((_grant(row["source"]), row["remaining"]) for row in lots) == expected
        async with db.connection() as conn:
            assert await totals.differing(conn, self.shop) == []
        if next(self.keys) % 3 == 0:
            await totals.fold()


async def history(stores: db.Stores, orders: list[Life], steps: list[Any]) -> None:
    run = Run(orders)
    await run.start(stores)
    for kind, *arguments in steps:
        await getattr(run, kind)(*arguments)
        await run.compare()
    report = await verify(run.shop)
    assert report.is_sound, report.problems


orders_of_a_history = st.lists(lives, min_size=ORDERS, max_size=ORDERS)
steps_of_a_history = st.lists(step, min_size=20, max_size=35)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(orders_of_a_history, steps_of_a_history)
async def test_a_random_history_equals_the_model(
    stores: db.Stores, orders: list[Life], steps: list[Any]
) -> None:
    await history(stores, orders, steps)


@pytest.mark.long
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(orders_of_a_history, steps_of_a_history)
async def test_ten_thousand_random_histories_equal_the_model(
    stores: db.Stores, orders: list[Life], steps: list[Any]
) -> None:
    await history(stores, orders, steps)


@settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=list(HealthCheck))
@given(lives, st.randoms())
async def test_an_order_comes_to_the_same_in_whatever_order_it_is_told(
    stores: db.Stores, life: Life, shuffled: Any
) -> None:
    everything = list(range(len(life.messages)))
    nets = set()
    for is_mixed in (False, True, True):
        run = Run([life])
        await run.start(stores)
        left = list(everything)
        if is_mixed:
            left += shuffled.choices(everything, k=3)
            shuffled.shuffle(left)
        while left:
            size = shuffled.randint(1, 3)
            batch, left = left[:size], left[size:]
            await run.events([(0, place) for place in batch])
        async with db.connection() as conn:
            row = await conn.fetchrow(
                "SELECT points - reversed_points AS net FROM grants WHERE shop = $1", run.shop
            )
        order = run.model.orders["5000"]
        nets |= {row["net"] if row else 0, order.net}
    assert len(nets) == 1
