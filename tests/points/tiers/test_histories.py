"""Random histories of orders, refunds, late arrivals, adjustments, a merge, other settings and time
that passes bring everybody where the slow model has them, on a real database.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import db
from app.errors import RefusedError
from app.points import handlers
from app.points.ledger import actions as ledger
from app.points.ledger.audit import verify
from app.points.tiers import actions, audit, recounting
from app.points.tiers.rules import Scheme, Tier
from tests.points import world
from tests.points.tiers import model
from tests.points.tiers.model import Settings
from tests.points.tiers.world import order, pass_time, placed, refund, tier_of

ZONE = ZoneInfo("Europe/Berlin")
CUSTOMERS = ("7001", "7002", "7003")
IDS = ("low", "middle", "high")
AGO_MAX = 120
shops = (f"tiers-{number}.myshopify.com" for number in itertools.count())
amounts = st.integers(1, 60)
step = st.one_of(
    st.tuples(st.just("buy"), st.sampled_from(CUSTOMERS), amounts, st.integers(0, AGO_MAX)),
    st.tuples(st.just("buy"), st.sampled_from(CUSTOMERS), amounts, st.integers(0, AGO_MAX)),
    st.tuples(st.just("refund"), st.integers(0, 9)),
    st.tuples(st.just("again"), st.integers(0, 9)),
    st.tuples(st.just("adjust"), st.sampled_from(CUSTOMERS), st.integers(-50, 500).filter(bool)),
    st.tuples(st.just("merge"), st.sampled_from(CUSTOMERS[:2])),
    st.tuples(st.just("time"), st.sampled_from([1, 7, 40, 200])),
    st.tuples(
        st.just("settle"),
        st.builds(
            Settings,
            st.sampled_from(["year", "rolling", "rolling", "forever"]),
            st.sampled_from([7, 30, 90]),
            st.sampled_from(["cycle", "one", "balance", "never"]),
            st.sampled_from([0, 5]),
            st.sampled_from([(0, 40, 90), (20, 50, 120)]),
            st.just(date(2000, 1, 1)),
        ),
    ),
)


class Clock:
    """Stands where modules have `datetime`, and can be moved."""

    def __init__(self) -> None:
        self.at = datetime(2025, 10, 20, 22, 40, tzinfo=ZoneInfo("UTC"))

    def now(self, _zone: tzinfo | None = None) -> datetime:
        return self.at

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        patches = [patch.object(one, "datetime", self) for one in MODULES]
        for one in patches:
            one.start()
        try:
            yield
        finally:
            for one in patches:
                one.stop()


MODULES = (handlers, actions, recounting, audit)


class Run:
    """One history, told to the service and kept in plain dictionaries."""

    def __init__(self) -> None:
        self.shop = next(shops)
        self.clock = Clock()
        self.keys = itertools.count()
        self.orders: list[tuple[str, datetime, int]] = []
        self.facts: list[Any] = []
        self.back: set[int] = set()
        self.merged: dict[str, str] = {}
        self.settings = Settings("forever", 30, "never", 0, (0, 40, 90), date(2000, 1, 1))

    def today(self) -> date:
        return self.clock.at.astimezone(ZONE).date()

    async def buy(self, customer: str, amount: int, days: int) -> None:
        at = self.clock.at - timedelta(days=days, hours=days % 24)
        number = str(100 + len(self.orders))
        fact = order(number, f"{amount}.00", at, customer=customer, shop=self.shop)
        self.orders.append((customer, at, amount))
        self.facts.append(fact)
        await world.handle(fact)

    async def refund(self, place: int) -> None:
        if self.orders:
            place %= len(self.orders)
            self.back.add(place)
            await world.handle(refund(str(100 + place), shop=self.shop))

    async def again(self, place: int) -> None:
        if self.facts:
            await world.handle(self.facts[place % len(self.facts)])

    async def adjust(self, customer: str, points: int) -> None:
        if any(one == customer for one, *_ in self.orders) and customer not in self.merged:
            key = f"a{next(self.keys)}"
            try:
                await ledger.adjust(self.shop, customer, points, "A test", key, "staff-1")
            except RefusedError:
                return

    async def merge(self, customer: str) -> None:
        if customer not in self.merged:
            self.merged[customer] = "7003"
            told = {"customer_id": customer, "kept_id": "7003"}
            await world.handle(world.fact("customer.merged", told, self.shop))

    async def time(self, days: int) -> None:
        self.clock.at += timedelta(days=days)

    async def settle(self, chosen: Settings) -> None:
        self.settings = replace(chosen, placed_on=self.settings.placed_on)
        scheme = Scheme(
            "points",
            chosen.period,
            chosen.days,
            chosen.policy,
            chosen.grace,
            [
                Tier(tier_id, tier_id, threshold)
                for tier_id, threshold in zip(IDS, chosen.thresholds, strict=True)
            ],
        )
        await actions.save(self.shop, scheme, "Alice")
        began = await world.one(
            "SELECT scheme::jsonb->>'placed_on' FROM tier_versions WHERE shop = $1 "
            "ORDER BY version DESC LIMIT 1",
            self.shop,
        )
        self.settings = Settings(
            *list(vars(self.settings).values())[:-1], date.fromisoformat(began)
        )
        await placed()

    async def compare(self) -> None:
        await pass_time(self.clock.at)
        first = date(2025, 1, 1)
        for customer in CUSTOMERS:
            mine = [
                (at, amount)
                for place, (one, at, amount) in enumerate(self.orders)
                if self.merged.get(one, one) == customer and place not in self.back
            ]
            bought: dict[date, int] = {}
            for at, amount in mine:
                day = at.astimezone(ZONE).date()
                bought[day] = bought.get(day, 0) + amount
            truth = model.tiers(self.settings, bought, first, self.today())[self.today()]
            name = IDS[truth] if truth >= 0 else ""
            base = IDS[0] if self.settings.thresholds[0] == 0 else ""
            found = await tier_of(customer, self.shop)
            assert (base if found is None else found) == name, (customer, self.settings, bought)
            if found is not None:
                assert await self.newest(customer) in {None, found}

    async def newest(self, customer: str) -> str | None:
        found: str | None = await world.one(
            "SELECT tier_id FROM tier_changes AS c JOIN members AS m ON m.id = c.member_id "
            "WHERE m.shop = $1 AND m.customer_id = $2 ORDER BY c.at DESC, c.id DESC LIMIT 1",
            self.shop,
            customer,
        )
        return found


async def history(steps: list[Any], first: Settings) -> None:
    run = Run()
    with run.clock.everywhere():
        await world.program(run.shop, timezone="Europe/Berlin")
        await run.settle(first)
        for kind, *arguments in steps:
            await getattr(run, kind)(*arguments)
            await run.compare()
        report = await verify(run.shop)
        assert report.problems == []


chosen = st.builds(
    Settings,
    st.sampled_from(["year", "rolling"]),
    st.sampled_from([7, 30, 90]),
    st.sampled_from(["cycle", "one", "balance", "never"]),
    st.sampled_from([0, 5]),
    st.sampled_from([(0, 40, 90), (20, 50, 120)]),
    st.just(date(2000, 1, 1)),
)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(step, min_size=8, max_size=14), chosen)
async def test_a_random_history_brings_everybody_where_the_model_has_them(
    stores: db.Stores, steps: list[Any], first: Settings
) -> None:
    await history(steps, first)


@pytest.mark.long
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(step, min_size=8, max_size=25), chosen)
async def test_many_random_histories_bring_everybody_where_the_model_has_them(
    stores: db.Stores, steps: list[Any], first: Settings
) -> None:
    await history(steps, first)
