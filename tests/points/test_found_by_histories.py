"""What random histories found, each as a test of its own."""

from datetime import timedelta

import msgspec
import pytest

from app import db
from app.points.earning.campaigns import late
from app.points.ledger.audit import verify
from app.points.members import reads
from app.points.rewards import actions, settling
from app.points.tiers import standing
from app.points.tiers.rules import Tier
from tests.points.earning.campaigns.told import campaign, told
from tests.points.tiers.world import order, tiers
from tests.points.ways.world import completed, created, deleted, merged, taken_back
from tests.points.world import (
    ALICE,
    BOB,
    bob_has,
    days_ago,
    figures,
    handle,
    line,
    one,
    paid,
    program,
    reward_of_100,
)

pytestmark = pytest.mark.usefixtures("stores")
GID = "gid://shopify/DiscountCodeNode/1"


async def sound() -> None:
    report = await verify()
    assert report.is_sound, report.problems


async def promised(reward_id: str, days: float) -> object:
    """A friend of Bob's who brings that reward, since so many days."""
    fact = completed(points=0, at=days_ago(days))
    data = {**msgspec.json.decode(fact.data), "reward_id": reward_id}
    return msgspec.structs.replace(fact, data=msgspec.Raw(msgspec.json.encode(data)))


async def state() -> list[str]:
    return sorted(found.state for found in await reads.redemptions(ALICE, BOB))


async def test_a_code_that_was_used_before_a_merge_is_used_when_it_is_told_after_it(stores) -> None:
    await bob_has(150)
    held = await actions.redeem(ALICE, BOB, await reward_of_100(), "k1", "r")
    await settling.capture(stores, held.id, GID)
    code = await one("SELECT code FROM redemptions")
    await handle(merged(BOB, "7002"))
    await handle(paid("2", line("5.00"), discount_codes=[code]))
    assert await one("SELECT state FROM redemptions") == "used"
    await sound()


async def test_a_reward_for_a_friend_that_was_used_is_not_given_once_more(stores) -> None:
    await bob_has(1)
    reward = await reward_of_100()
    await handle(await promised(reward, 0.4))
    await settling.capture(stores, str(await one("SELECT id FROM redemptions")), GID)
    code = await one("SELECT code FROM redemptions")
    await handle(paid("2", line("5.00"), discount_codes=[code]))
    await handle(taken_back(at=days_ago(0.2)))
    await handle(await promised(reward, 0.1))
    assert await state() == ["used"]


async def test_who_has_nothing_but_a_reward_for_a_friend_stays_when_deleted(stores) -> None:
    """Else nobody could bring the reward to its end, nor take it back."""
    await program()
    await bob_has(1)
    reward = await reward_of_100()
    fact = await promised(reward, 0.4)
    advocate = msgspec.json.decode(fact.data) | {"advocate_id": "7003"}
    fact = msgspec.structs.replace(fact, data=msgspec.Raw(msgspec.json.encode(advocate)))
    await handle(fact)
    await handle(deleted("7003"))
    await settling.capture(stores, str(await one("SELECT id FROM redemptions")), GID)
    await handle(fact)
    assert await one("SELECT state FROM redemptions") == "captured"
    await sound()


async def test_a_referral_of_who_left_nothing_behind_can_be_told_again(stores) -> None:
    await program()
    fact = completed(points=0, at=days_ago(0.4))
    await handle(fact)
    await handle(deleted())
    await handle(fact)
    await handle(completed(points=0, at=days_ago(0.1)))
    await sound()


async def test_whom_others_were_merged_into_stays_when_deleted(stores) -> None:
    await program()
    await handle(merged(BOB, "7002"))
    await handle(deleted("7002"))
    await handle(paid("1", line("10.00")))
    assert await figures("7002") == {"available": 10}


async def test_orders_that_are_told_late_bring_one_up_at_their_own_moment(stores) -> None:
    """So that the next one, told later still, earns by the tier of then."""
    await program()
    await tiers(measure="orders", tiers=[tier(0, "low"), tier(2, "high", 20_000)])
    async with db.connection() as conn:
        await conn.execute("UPDATE tier_versions SET created_at = created_at - interval '30 days'")
    for number in (1, 2, 3):
        await handle(order(str(number), "10.00", days_ago(8 - number)))
    async with db.connection() as conn:
        (was,) = await standing.at(conn, [(ALICE, BOB, days_ago(5.5))])
    assert was is not None
    assert was.tier_id == "high"
    assert await figures() == {"available": 10 + 10 + 20}
    await sound()


def tier(threshold: int, name: str, units: int = 10_000) -> Tier:
    return Tier(name, name, threshold, units)


async def test_an_order_that_only_counts_otherwise_is_no_problem_of_tiers(stores) -> None:
    await program(rate=0)
    await tiers(measure="points")
    await handle(order("1", "10.00", days_ago(1)))
    await sound()


async def test_an_account_that_is_told_of_somebody_who_is_a_member_already(stores) -> None:
    await program()
    await handle(paid("1", line("10.00")))
    await handle(created(), paid("2", line("5.00")))
    await handle(created())
    assert await figures() == {"available": 15}
    await sound()


async def test_an_order_of_a_paused_programme_gets_nothing_of_a_campaign_either(stores) -> None:
    await program(state="paused")
    async with db.connection() as conn:
        await conn.execute("UPDATE program_versions SET created_at = now() - interval '9 days'")
    await handle(*told(campaign(effect="add", value="20")))
    await handle(paid("1", line("10.00"), at=days_ago(1)))
    assert await figures() == {}


async def test_since_when_a_tier_is_what_counts_and_not_an_order_that_came_back(stores) -> None:
    await program()
    await tiers(measure="spend", tiers=[tier(0, "low"), tier(10_000_000, "high")])
    bought, nothing = days_ago(3).replace(hour=8), days_ago(3).replace(hour=9)
    await handle(order("1", "10.00", bought), order("2", "0.00", nothing))
    assert await one("SELECT at FROM tier_changes") == bought
    await sound()


async def test_a_late_campaign_makes_nobody_a_member_again_who_was_deleted(stores) -> None:
    await program(rate=0)
    async with db.connection() as conn:
        await conn.execute("UPDATE program_versions SET created_at = now() - interval '9 days'")
    await handle(paid("1", line("10.00")))
    await handle(deleted())
    await handle(*told(campaign(effect="add", value="20")))
    while await late.go_on():
        pass
    assert await one("SELECT count(*) FROM members") == 0


async def test_a_word_that_moves_nothing_is_known_beside_one_that_does(stores) -> None:
    """Else an older word, told later, would pass for the newest."""
    await program()
    placed, goods, card = days_ago(1), line("100.00"), line("50.00", gift_card=True)

    def said(seconds: int, *lines: dict[str, object], **more: object) -> object:
        at = (placed + timedelta(seconds=seconds)).isoformat()
        return paid("1", *lines, at=placed, updated_at=at, **more)

    await handle(said(6, goods, card), said(2, goods))
    await handle(said(4, goods, card, financial_status="partially_paid", outstanding="50.00"))
    assert await figures() == {"available": 100}
    await sound()
