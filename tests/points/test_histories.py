"""Random histories of everything that can happen to points equal the simple model, on a real
database.

A history is made from its number: `HISTORY=4711 pytest -n 0 tests/points/test_histories.py -k few`
tells that one alone, and leaves out what it differs without.
"""

import itertools
import os
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import db
from app.points.earning.campaigns import copies
from app.points.tiers import schemes
from tests.emptying import Emptying
from tests.points import world
from tests.points.histories.clock import standing
from tests.points.histories.making import History, make
from tests.points.histories.model import Model
from tests.points.histories.model.books import Rules
from tests.points.histories.rounds import TOGETHER, Played, play
from tests.points.histories.shrinking import NOTHING, shrunk
from tests.points.lives import Life, lives
from tests.points.told import webhook
from tests.points.webhooks import tell
from tests.points.world import now

FEW = 5
ALL = int(os.environ.get("HISTORIES", "10000"))
SINCE = int(os.environ.get("SINCE", "0"))  # a multiple of TOGETHER
PARTS = 20
AGAIN = "HISTORY={} .venv/bin/pytest -n 0 tests/points/test_histories.py -k few"
EXAMPLES = int(os.environ.get("HOLDFAST_EXAMPLES", "25")) // 2
shops = (f"order-{number}.myshopify.com" for number in itertools.count())
Note = Callable[[str, object], None]


async def _told(stores: db.Stores, emptying: Emptying, histories: Sequence[History]) -> Played:
    """These histories in an empty database, and in a process that remembers nothing."""
    await emptying.empty()
    schemes.forget()
    copies._remembered.clear()
    async with standing() as clock:
        return await play(histories, clock, stores)


async def test_a_few_random_histories_equal_the_model(
    stores: db.Stores, emptying: Emptying, record_property: Note
) -> None:
    if chosen := os.environ.get("HISTORY"):

        async def differs(history: History) -> str:
            played = await _told(stores, emptying, [history])
            return "".join(what for _, what in played.differing.values())

        history, what = await shrunk(make(int(chosen)), differs)
        steps = [f"{at}: {step}" for at, step in enumerate(history.steps) if step != NOTHING]
        assert not what, "\n".join([what, f"{history.zone}, {history.rules}", *steps])
        return
    await _check(stores, emptying, record_property, [range(SINCE, SINCE + FEW)])


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
async def test_ten_thousand_random_histories_equal_the_model(
    stores: db.Stores, emptying: Emptying, record_property: Note, part: int
) -> None:
    firsts = range(SINCE, SINCE + ALL, TOGETHER)[part::PARTS]
    rounds = [range(first, first + TOGETHER) for first in firsts]
    await _check(stores, emptying, record_property, rounds)


async def _check(
    stores: db.Stores, emptying: Emptying, note: Note, rounds: Sequence[Sequence[int]]
) -> None:
    told, steps, differing = 0, 0, dict[int, Any]()
    for numbers in rounds:
        played = await _told(stores, emptying, [make(number) for number in numbers])
        told += len(numbers)
        steps += played.steps
        differing |= played.differing
    note("histories", told)
    note("steps", steps)
    assert not differing, "\n".join(
        f"{number}, step {step}: {what}\n  again: {AGAIN.format(number)}"
        for number, (step, what) in sorted(differing.items())
    )


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(lives, st.randoms(use_true_random=False))
async def test_an_order_comes_to_the_same_in_whatever_order_it_is_told(
    stores: db.Stores, life: Life, shuffled: Random
) -> None:
    everything = list(range(len(life.messages)))
    nets = set()
    for is_mixed in (False, True, True):
        shop, placed, told = next(shops), now().replace(microsecond=0), list(everything)
        placed = placed.replace(year=placed.year - 1) if placed.day != 29 else placed
        await world.program(shop)
        model = Model("UTC", now())
        model.versions.append((now(), Rules()))
        if is_mixed:
            told += shuffled.choices(everything, k=3)
            shuffled.shuffle(told)
        while told:
            size = shuffled.randint(1, 3)
            batch, told = [life.messages[one] for one in told[:size]], told[size:]
            webhooks = [webhook(one, shop, 5000, placed) for one in batch]
            await tell(*webhooks, together=True)
            model.tell([("order", ("5000", placed, one)) for one in batch])
        net = await world.one("SELECT points - reversed_points FROM grants WHERE shop = $1", shop)
        nets |= {net or 0, model.orders["5000"].net}
    assert len(nets) == 1
