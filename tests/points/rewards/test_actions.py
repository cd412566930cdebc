"""Redeeming: conditional writes that nobody can win twice."""

import uuid
from functools import partial

import pytest

from app import db
from app.errors import BadInputError, ConflictError, NotFoundError, RefusedError
from app.points.ledger import expiry
from app.points.members import reads
from app.points.rewards import actions as rewards
from tests.points.world import (
    ALICE,
    BOB,
    bob_has,
    crowd,
    figures,
    handle,
    line,
    now,
    one,
    paid,
    program,
)

pytestmark = pytest.mark.usefixtures("stores")


async def test_a_redemption_holds_its_points_and_the_same_key_is_the_same_redemption() -> None:
    reward = await bob_has(250)
    first = await rewards.redeem(ALICE, BOB, reward, "k1", "r")
    again = await rewards.redeem(ALICE, BOB, reward, "k1", "r")
    assert first == again
    assert (first.state, first.code, first.points) == ("held", "", 100)
    assert await figures() == {"available": 150, "held": 100}


async def test_the_same_key_for_another_reward_is_a_conflict() -> None:
    reward = await bob_has(600)
    other = next(row.id for row in await reads.rewards(ALICE) if row.cost == 500)
    await rewards.redeem(ALICE, BOB, reward, "k1", "r")
    with pytest.raises(ConflictError):
        await rewards.redeem(ALICE, BOB, other, "k1", "r")


@pytest.mark.parametrize("reward", ["0", "-1", "9" * 30, "x", "", "1; DROP TABLE members", "१"])
async def test_a_reward_that_is_not_there_is_not_found(reward: str) -> None:
    await bob_has(100)
    with pytest.raises(NotFoundError):
        await rewards.redeem(ALICE, BOB, reward, "k1", "r")


@pytest.mark.parametrize("key", ["", "k" * 129, "a\x00b"])
async def test_a_key_that_cannot_be_kept_is_bad_input(key: str) -> None:
    reward = await bob_has(100)
    with pytest.raises(BadInputError):
        await rewards.redeem(ALICE, BOB, reward, key, "r")


async def test_nobody_spends_more_than_they_have_nor_another_shops_points() -> None:
    reward = await bob_has(99)
    for customer in (BOB, "charlie"):
        with pytest.raises(RefusedError) as refused:
            await rewards.redeem(ALICE, customer, reward, "k1", "r")
        assert refused.value.code == "insufficient_points"
    with pytest.raises(NotFoundError):
        await rewards.redeem("charlie.myshopify.com", BOB, reward, "k1", "r")


async def test_of_200_redemptions_at_once_exactly_as_many_win_as_the_balance_pays_for() -> None:
    reward = await bob_has(1234)
    tries = [
        partial(rewards.redeem, ALICE, BOB, reward, str(uuid.uuid4()), "r") for _ in range(200)
    ]
    answers = await crowd(*tries, return_exceptions=True)
    won = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(won) == 12
    assert all(isinstance(answer, RefusedError) for answer in answers if answer not in won)
    assert await figures() == {"available": 34, "held": 1200}
    assert await one("SELECT count(DISTINCT code) FROM redemptions") == 12


async def test_of_50_requests_with_one_key_there_is_one_redemption() -> None:
    reward = await bob_has(1234)
    answers = await crowd(*[partial(rewards.redeem, ALICE, BOB, reward, "k", "r")] * 50)
    assert len({answer.id for answer in answers}) == 1
    assert await figures() == {"available": 1134, "held": 100}


async def test_points_past_their_expiry_cannot_be_spent_before_the_expiry_run() -> None:
    await program(expiry_days=1)
    reward = await bob_has(100)
    async with db.connection() as conn:
        await conn.execute("UPDATE lots SET expires_at = now(), due_at = now()")
    with pytest.raises(RefusedError):
        await rewards.redeem(ALICE, BOB, reward, "k1", "r")
    assert await expiry.expire_due(now()) == 1
    assert await figures() == {"expired": 100}
    assert await expiry.expire_due(now()) == 0


async def test_the_hold_takes_the_earliest_expiry_first() -> None:
    await program(expiry_days=90)
    await handle(paid("late", line("80.00")))
    await program(expiry_days=10)
    await handle(paid("soon", line("80.00")))
    await program()
    reward = await bob_has(80)
    await rewards.redeem(ALICE, BOB, reward, "k1", "r")
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT source, remaining FROM lots")
    assert {row["source"]: row["remaining"] for row in rows} == {
        "order:soon": 0,
        "order:late": 60,
        "order:1": 80,
    }
