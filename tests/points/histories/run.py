"""One history, told to the service and to the model."""

import itertools
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from app import db
from app.errors import HoldfastError
from app.points.ledger import actions as ledger
from app.points.outside import calls
from app.points.rewards import actions as rewards
from app.points.rewards import redemption as saga
from app.points.rewards import settling
from app.points.rewards.rules import Choose, Details
from app.points.ways import birthdays
from tests.points.histories.clock import Clock
from tests.points.histories.facts import Facts, Told
from tests.points.histories.making import History, Step
from tests.points.histories.model import Model
from tests.points.histories.model.rewards import CODES, Redemption, Reward
from tests.points.histories.settings import Settings
from tests.points.histories.shopify import Shopify
from tests.points.told import webhook
from tests.points.webhooks import events

Result = TypeVar("Result")
INSERT_REWARD = """
INSERT INTO rewards (shop, title, cost, amount_off, is_active, kind, details, version, updated_at)
VALUES ($1, $2, $3, $4, TRUE, $5, $6, 1, now()) RETURNING id
"""
UPDATE_REWARD = """
UPDATE rewards SET cost = $3, details = $4, is_active = $5, version = version + 1
 WHERE shop = $1 AND id = $2
"""
ORDER_AGO = (60, 3_600, 86_400, 3 * 86_400, 30 * 86_400, 100 * 86_400)


class Run(Facts, Settings):
    """What a history does; a step answers with the facts it tells."""

    def __init__(self, history: History, clock: Clock, shopify: Shopify) -> None:
        Facts.__init__(self)
        Settings.__init__(self)
        self.history, self.clock, self.shopify = history, clock, shopify
        self.shop = f"history-{history.number}.myshopify.com"
        self.model = Model(history.zone, clock.at)
        self.placed: dict[int, datetime] = {}
        self.codes: dict[int, Redemption] = {}  # that an order was placed with
        self.ids: dict[Redemption, str] = {}
        self.reward_ids: list[int] = []
        self.keys = itertools.count()
        self.acted: list[tuple[str, str, str]] = []

    async def start(self) -> None:
        await self.rules(self.history.rules)
        async with db.connection() as conn:
            for place, reward in enumerate(self.history.rewards):
                details = _details(reward)
                amount = 5 if reward.kind in {"amount_off", "free_product", "gift_card"} else 0
                amount = 7 if reward.kind == "store_credit" else amount
                title = f"{place}"
                fields = (self.shop, title, reward.cost, amount, reward.kind, details)
                self.reward_ids.append(await conn.fetchval(INSERT_REWARD, *fields))
        self.model.rewards = list(self.history.rewards)

    async def step(self, step: Step) -> list[Told]:
        self.model.now = self.clock.at
        kind, *arguments = step
        found: list[Told] | None = await getattr(self, kind)(*arguments)
        return found or []

    def last(self) -> list[Told]:
        """What was not told yet is, in the end."""
        self.model.now = self.clock.at
        told, self.untold = [self.known[place] for place in self.untold], []
        return told

    async def nothing(self) -> None:
        """A step that was left out."""

    # orders

    async def tell(self, told: list[tuple[int, int]], more: list[int]) -> list[Told]:
        found = [one for order, place in told for one in self.order(order, place)]
        if self.known:
            for place in more:
                at = place % len(self.known)
                self.untold = [one for one in self.untold if one != at]
                found.insert(place % (len(found) + 1), self.known[at])
        return found

    def order(self, number: int, place: int) -> list[Told]:
        life = self.history.orders[number]
        ago = ORDER_AGO[(self.history.number + number * 7) % len(ORDER_AGO)] + number
        if number not in self.placed:
            placed = self.clock.at.replace(microsecond=0) - timedelta(seconds=ago)
            self.placed[number] = placed
        message = life.messages[place % len(life.messages)]
        placed, order = self.placed[number], 5000 + number
        used = self.codes.get(number)
        code = self.shopify.codes[self.ids[used]] if used is not None else ""
        facts = events(webhook(message, self.shop, order, placed, code), placed)
        heard: list[tuple[str, Any]] = [("order", (str(order), placed, message))]
        if used is not None and message.snapshot is not None and message.snapshot.customer:
            heard.append(("used", (used, str(order), message.snapshot.customer)))
        return [(fact, heard if at == 0 else []) for at, fact in enumerate(facts)]

    async def use(self, place: int, number: int) -> None:
        """An order turns out to have a code, and its webhooks say so from then on."""
        made = [
            one
            for one in self.model.redemptions
            if one.state == "captured" and one.reward.kind in CODES
            if one in self.ids and not one.is_spent
        ]
        buyers = [one.snapshot.customer for one in self._messages(number) if one.snapshot]
        if not made or number in self.codes:
            return
        one = made[place % len(made)] if place >= 0 else made[-1]
        people = [self.model.people.get(buyer or "") for buyer in buyers]
        if any(person is not None and person.root is one.person.root for person in people):
            self.codes[number] = one
            one.is_spent = True
            self.shopify.used.add(self.ids[one])

    def _messages(self, number: int) -> list[Any]:
        return self.history.orders[number].messages

    # rewards

    async def redeem(self, who: str | int, place: int, points: int) -> None:
        if isinstance(who, int):
            who = self.history.orders[who].customer or "7001"
        reward, key = self.model.rewards[place], f"k{next(self.keys)}"
        wanted = points if reward.choose is not None else None
        expected = self.model.redeem(who, place, wanted)
        reward_id = str(self.reward_ids[place])
        view = await _or_refused(rewards.redeem(self.shop, who, reward_id, key, "r", points=wanted))
        assert (view is None) == (expected is None), (view, expected)
        if view is not None and expected is not None:
            self.ids[expected] = view.id

    async def attempt(self, place: int, how: str) -> None:
        held = [one for one in self.model.redemptions if one.state == "held" and one.points]
        held = [one for one in held if one.attempts == 0]
        if held:
            one = held[place % len(held)]
            self.shopify.how[self.ids[one]] = how
            await saga.complete(self.shopify.stores, self.shopify.client, self.ids[one])
            self.model.attempt(one, how)

    async def cancel(self, place: int) -> None:
        made = [one for one in self.model.redemptions if one.state == "captured"]
        made = [one for one in made if one.points and not one.is_spent]
        if made:
            one = made[place % len(made)]
            for _ in range(2):  # the second time changes nothing
                await settling.cancel(self.shopify.stores, self.ids[one], "a test")
            self.model.release(one)

    async def reward(self, place: int, reward: Reward, is_active: bool) -> None:
        reward.is_active = is_active
        self.model.rewards[place] = reward
        fields = (reward.cost, _details(reward), is_active)
        async with db.connection() as conn:
            await conn.execute(UPDATE_REWARD, self.shop, self.reward_ids[place], *fields)

    async def adjust(self, customer: str, points: int) -> None:
        key = f"a{next(self.keys)}"
        expected = self.model.adjust(customer, f"adjustment:{key}", points)
        done = ledger.adjust(self.shop, customer, points, "a test", key, "staff-1")
        assert (await _or_refused(done) is not None) == expected

    # what people do

    async def claim(self, what: str, customer: str, is_again: bool) -> None:
        """They follow, or do what a server tells of; sometimes it is told again."""
        if what not in self.way_ids:
            return
        kind, _, name = what.partition("-")
        if is_again and self.acted and kind == "action":
            name, customer, key = self.acted[-1]
            await calls.act(self.shop, name, customer, key, "server")
            return
        key = f"act{next(self.keys)}"
        expected = self.model.claim(customer, self._what(what))
        if kind == "follow":
            done = await _or_refused(calls.honour(self.shop, customer, self.way_ids[what]))
            assert (done and done.points) == expected
            return
        answer = await _or_refused(calls.act(self.shop, name, customer, key, "server"))
        assert (answer and answer["points"]) == expected
        if answer is not None:
            self.acted.append((name, customer, key))

    async def birthday(self, customer: str, days: int) -> None:
        day = self.model.day(self.clock.at) + timedelta(days=days)
        said = "02-29" if days == -2 else f"{day:%m-%d}"
        expected = self.model.say_birthday(customer, said)
        done = await _or_refused(birthdays.say(self.shop, customer, said))
        assert (done is not None) == expected


async def _or_refused(done: Awaitable[Result]) -> Result | None:
    try:
        return await done
    except HoldfastError:
        return None


def _details(reward: Reward) -> str:
    choose = None
    if reward.choose is not None:
        choose = Choose(2, "1.00", *reward.choose)
    details = Details(
        percent="10" if reward.kind == "percent_off" and choose is None else "",
        choose=choose,
        products=["1"] if reward.kind == "free_product" else [],
        code_days=reward.code_days,
        per_customer=reward.per_customer,
        tiers=list(reward.tiers),
        on_return=reward.on_return,  # type: ignore[arg-type]
        on_unused=reward.on_unused,  # type: ignore[arg-type]
        grace_days=reward.grace_days,
    )
    return msgspec.json.encode(details).decode()
