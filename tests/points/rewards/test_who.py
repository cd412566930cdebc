"""Who may have a reward: whoever is in its tier or segment when asking, and nobody else."""

import pytest

from app.errors import BadInputError, RefusedError
from app.points.rewards import actions, offers, reads
from app.points.rewards.rules import Details
from tests.points import world
from tests.points.tiers.world import BRONZE, SILVER, THREE, tiers
from tests.points.world import ALICE, BOB, fact, handle, line, now, paid
from tests.storefront.callers import proxied
from tests.storefront.conftest import _nothing_remembered, app, http

__all__ = ["_nothing_remembered", "app", "http"]
pytestmark = pytest.mark.usefixtures("stores")
CHARLIE = "7003"


async def shop_with(details: Details) -> str:
    """Bob has 600 points and Charlie 150; a reward of 100."""
    await world.program()
    await tiers()
    await handle(paid("1", line("600.00")), paid("2", line("150.00"), customer=CHARLIE))
    made = await offers.save_reward(ALICE, None, "For some", 100, "5", details=details)
    return made.id


async def test_a_reward_for_a_tier_is_had_by_its_members_alone(http) -> None:
    reward_id = await shop_with(Details(tiers=["gold"]))
    with pytest.raises(RefusedError, match="not for you"):
        await actions.redeem(ALICE, CHARLIE, reward_id, "k1", "r")
    assert (await actions.redeem(ALICE, BOB, reward_id, "k1", "r")).state == "held"
    seen = {}
    for customer in (BOB, CHARLIE):
        body = (await http.get(proxied("/storefront/me", customer))).json()
        (seen[customer],) = body["rewards"]
    assert seen[BOB]["can_redeem"]
    assert (seen[CHARLIE]["can_redeem"], seen[CHARLIE]["why_not"]) == (False, "For Gold.")
    assert seen[BOB]["conditions"]["tiers"] == ["Gold"]
    assert "for" not in seen[BOB]


async def test_a_reward_for_a_segment_is_had_by_who_is_in_it_now() -> None:
    reward_id = await shop_with(Details(segments=["CHAMPIONS"]))
    for before, after in (("", "CHAMPIONS"), ("CHAMPIONS", "")):
        moved = {"customer_id": BOB, "before": before, "after": after, "at": now().isoformat()}
        await handle(fact("rfm.segment.updated", moved))
        if after:
            await actions.redeem(ALICE, BOB, reward_id, "k1", "r")
    with pytest.raises(RefusedError, match="not for you"):
        await actions.redeem(ALICE, BOB, reward_id, "k2", "r")
    assert await reads.segments(ALICE) == ["CHAMPIONS"]


async def test_a_reward_for_a_tier_that_is_gone_is_said_so_and_given_to_nobody() -> None:
    reward_id = await shop_with(Details(tiers=["gold"]))
    with pytest.raises(RefusedError, match="named by the reward “For some”"):
        await tiers(tiers=[BRONZE, SILVER])
    await offers.switch_reward(ALICE, reward_id, is_active=False)
    await tiers(tiers=[BRONZE, SILVER])
    await offers.switch_reward(ALICE, reward_id, is_active=True)
    assert [one.name for one in THREE] == ["Bronze", "Silver", "Gold"]
    with pytest.raises(RefusedError, match="not for you"):
        await actions.redeem(ALICE, BOB, reward_id, "k1", "r")
    with pytest.raises(BadInputError, match="not there any more"):
        await offers.save_reward(
            ALICE, reward_id, "Still", 100, "5", details=Details(tiers=["gold"])
        )
