"""Referrals: the advocate is rewarded once and loses it once, whatever is told first."""

import itertools

import msgspec
import pytest

from app.errors import NotFoundError
from app.points.earning import actions as earning
from app.points.ledger import actions
from app.points.members import reads
from tests.points.ways.world import completed, ledger, sound, taken_back, told
from tests.points.world import (
    ALICE,
    BOB,
    days_ago,
    figures,
    handle,
    line,
    one,
    paid,
    program,
    reward_of_100,
)


async def test_completed_twice_rewards_once(stores) -> None:
    await program()
    await handle(completed(), completed())
    await handle(completed(at=days_ago(-0.01)))
    assert await figures() == {"available": 200}
    assert await ledger() == ["200 points for a friend whose order #1055 counts."]
    await sound()


async def test_whatever_order_it_is_told_in_nothing_stays(stores) -> None:
    await program()
    at = days_ago(0.1)
    facts = [completed(at=days_ago(0.2)), taken_back(at=at), completed(at=days_ago(0.2))]
    for number, way in enumerate(itertools.permutations(facts)):
        shop = f"shop-{number}.myshopify.com"
        await program(shop)
        for fact in way:
            await handle(_of(fact, shop))
        left = await figures(shop=shop)
        assert left.get("available", 0) == 0, (number, left)
    await sound()


def _of(fact, shop):
    import msgspec

    return msgspec.structs.replace(fact, shop=shop, key=shop)


async def test_what_was_spent_meanwhile_is_owed_where_the_policy_says_so(stores) -> None:
    await program(clawback="debt")
    await handle(completed(at=days_ago(0.2)))

    await actions.adjust(ALICE, BOB, -150, "spent", "key-1", "1")
    await handle(taken_back(at=days_ago(0.1)))
    await handle(taken_back(at=days_ago(0.1)))
    assert await figures() == {"reversed": 350, "debt": 150}
    assert [fact["points"] for fact in await told("points.reversed")] == [150, 200]
    await sound()


@pytest.mark.parametrize("policy", ["pending_only", "within_balance", "debt"])
async def test_one_that_stands_again_gives_back_what_was_taken_and_no_more(stores, policy) -> None:
    await program(clawback=policy)
    await handle(paid("1", line("30.00")))
    await handle(completed(at=days_ago(0.3)))
    await handle(taken_back(at=days_ago(0.2)))
    await handle(completed(at=days_ago(0.1)))
    assert (await figures())["available"] == 230
    await handle(taken_back(at=days_ago(0.05)))
    assert (await figures())["available"] == (230 if policy == "pending_only" else 30)
    await sound()


async def test_a_referral_completed_while_paused_gives_nothing_later_either(stores) -> None:
    await program(state="paused")
    fact = completed()
    await handle(fact)
    await program()
    await handle(fact)
    assert await figures() == {}
    assert await one("SELECT outcome FROM grants WHERE source = 'referral:r1'") == "paused"


async def test_a_reversal_alone_waits_for_nothing(stores) -> None:
    await program()
    await handle(taken_back())
    assert await figures() == {}
    await sound()


def rewarded(reward_id: str, at) -> object:
    return changed(completed(points=0, at=at), reward_id=reward_id)


def changed(fact, **more):
    data = {**msgspec.json.decode(fact.data), **more}
    return msgspec.structs.replace(fact, data=msgspec.Raw(msgspec.json.encode(data)))


async def test_a_reward_for_a_friend_is_given_once_and_taken_back_unless_it_was_used(
    stores,
) -> None:
    await earning.ensure_program(ALICE, "USD", "UTC")
    reward = await reward_of_100()
    fact = rewarded(reward, days_ago(0.3))
    await handle(fact, fact)
    await handle(fact)
    (given,) = await reads.redemptions(ALICE, BOB)
    assert (given.points, given.state) == (0, "held")
    await handle(taken_back(at=days_ago(0.2)), taken_back(at=days_ago(0.2)))
    assert [one.state for one in await reads.redemptions(ALICE, BOB)] == ["released"]
    await handle(rewarded(reward, days_ago(0.1)))
    await handle(rewarded(reward, days_ago(0.1)), fact)
    assert sorted(one.state for one in await reads.redemptions(ALICE, BOB)) == ["held", "released"]
    await sound()


async def test_an_unknown_reward_is_no_silent_nothing(stores) -> None:
    await program()
    with pytest.raises(NotFoundError):
        await handle(rewarded("999999", days_ago(0.1)))
