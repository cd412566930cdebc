"""The page of tiers: from none to three, what is wrong with what was typed, who would be where."""

import msgspec
import pytest

from app import db
from app.own_facts import Audience, Campaign
from tests.admin.staff import text, value
from tests.points.tiers.world import order, placed, tier_of, tiers
from tests.points.world import fact, handle, now, one

FORM = {
    "measure": "points",
    "period": "rolling",
    "days": "365",
    "policy": "cycle",
    "grace_days": "0",
    "name-bronze": "Bronze",
    "threshold-bronze": "0",
    "factor-bronze": "1",
    "name-silver": "Silver",
    "threshold-silver": "100",
    "factor-silver": "1.25",
    "name-gold": "Gold",
    "threshold-gold": "500",
    "factor-gold": "1.5",
}


async def test_a_shop_without_tiers_counts_first_and_then_starts_with_three(alice) -> None:
    await handle(order("1", "300.00", now()))
    seen = text(await alice.get("/tiers"))
    assert "Give your best customers a reason to stay" in seen
    assert "Count orders first" in seen
    assert "Orders are not counted yet" in text(await alice.get("/tiers/what-if", **FORM))
    saved = await alice.post("/tiers", **FORM, version="0", count="1")
    assert saved.status_code == 200
    await placed()
    assert await one("SELECT count(*) FROM tier_changes") == 0
    assert "Silver 1 · 100%" in text(await alice.get("/tiers/what-if", **FORM))
    assert (await alice.post("/tiers", **FORM, version="1")).status_code == 200
    await placed()
    assert await tier_of() is not None
    seen = text(await alice.get("/tiers"))
    assert "Gold 0 · 0% Silver 1 · 100% Bronze 0 · 0%" in seen
    assert "2 In force" in seen
    higher = {**FORM, "threshold-silver": "400"}
    told = text(await alice.get("/tiers/what-if", **higher))
    assert "Silver 0 · 0% (-1) Bronze 1 · 100% (+1)" in told


async def test_what_is_wrong_is_said_where_it_was_typed(alice) -> None:
    await tiers(period="rolling")
    wrong = {
        **FORM,
        "version": "1",
        "threshold-gold": "100",
        "name-silver": "bronze",
        "factor-gold": "0.5",
        "grace_days": "1000",
    }
    answer = await alice.post("/tiers", **wrong)
    assert answer.status_code == 422
    seen = text(answer)
    assert "This must be more than what bronze asks for." in seen
    assert "Another tier has this name already." in seen
    assert "Please give a multiplier from 1 to 10" in seen
    assert "Please give whole days from 0 to 180." in seen
    assert await one("SELECT count(*) FROM tier_versions") == 1


async def test_one_more_tier_stands_where_it_belongs_and_can_be_deleted(alice) -> None:
    await tiers(period="rolling")
    more = {"name-new": "Pearl", "threshold-new": "250", "factor-new": "1.3", "version": "1"}
    assert (await alice.post("/tiers", **{**FORM, **more})).status_code == 200
    seen = text(await alice.get("/tiers"))
    assert "Bronze from 0 points, Silver from 100 points, Pearl from 250 points" in seen
    pearl = await one(
        "SELECT scheme::jsonb->'tiers'->2->>'tier_id' FROM tier_versions WHERE version = 2"
    )
    assert (await alice.post(f"/tiers/{pearl}/delete")).status_code == 200
    assert "Pearl" not in (await alice.get("/tiers")).text.split("Every version")[0]
    assert (await alice.post(f"/tiers/{pearl}/delete")).status_code == 404


async def test_perks_are_kept_and_who_saves_late_is_told(alice) -> None:
    await tiers(period="rolling")
    perks = {"perks": "Early access\nA birthday cake", "icon": "🥇", "version": "1"}
    assert (await alice.post("/tiers/gold/perks", **perks)).status_code == 200
    seen = text(await alice.get("/tiers"))
    assert "Early access · A birthday cake" in seen
    assert "Changed what Gold gives." in seen
    other = {**FORM, "threshold-gold": "600"}
    late = await alice.post("/tiers", **other, version="1")
    assert late.status_code == 409
    assert "Somebody else changed the tiers meanwhile" in text(late)
    assert (await alice.post("/tiers", **other, version=value(late, "version"))).status_code == 200
    seen = text(await alice.get("/tiers"))
    assert "Early access" in seen, "what a form does not show it does not take away"


async def test_another_shop_sees_nothing_of_it(alice, charlie) -> None:
    await tiers(period="rolling")
    assert "Give your best customers" in text(await charlie.get("/tiers"))
    assert (await charlie.post("/tiers/gold/delete")).status_code == 404


async def test_a_customers_page_says_where_they_stand_and_why(alice) -> None:
    await tiers(period="rolling")
    await handle(order("1", "120.00", now()))
    seen = text(await alice.get("/customers/7001"))
    assert "Tier Silver since" in seen
    assert "120 points in the last 365 days; 380 points more for Gold" in seen
    assert "100 points by" in seen
    assert "keep this tier; else it is Bronze then" in seen
    assert "Silver : Order #1 reached it: 120 points in the last 365 days." in seen


async def test_a_tier_that_a_reward_or_a_campaign_names_stays(alice) -> None:
    await tiers(period="rolling")
    await alice.get("/program")
    reward = await one("SELECT min(id) FROM rewards")
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE rewards SET title = 'Gold only', details = '{\"tiers\":[\"gold\"]}' "
            "WHERE id = $1",
            reward,
        )
    refused = await alice.post("/tiers/gold/delete")
    assert refused.status_code == 422
    assert "Gold is named by the reward “Gold only”. Please change that first." in text(refused)
    told = Campaign("c1", 1, "Silver week", "live", now(), audience=Audience("tiers", ["silver"]))
    at = now().isoformat()
    await handle(fact("campaign.updated", {"campaign": msgspec.to_builtins(told), "at": at}))
    refused = await alice.post("/tiers/silver/delete")
    assert "Silver is named by the campaign “Silver week”." in text(refused)
    ended = msgspec.structs.replace(told, version=2, state="ended")
    await handle(fact("campaign.updated", {"campaign": msgspec.to_builtins(ended), "at": at}))
    assert (await alice.post("/tiers/silver/delete")).status_code == 200


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            {"grace_days": "14"},
            (
                "Members are placed by the points of their orders in the last 365 days: Bronze for "
                "everybody; Silver from 100 points, with 1.25x points; Gold from 500 points, with "
                "1.5x points. A tier is kept for 365 days after it was last deserved, and 14 days "
                "more; then it is lost, unless it is deserved again."
            ),
        ),
        (
            {"measure": "spend", "period": "year", "policy": "one", "factor-silver": "1"},
            (
                "Members are placed by what they spend in a calendar year: Bronze for everybody; "
                "Silver from $100.00 spent; Gold from $500.00 spent, with 1.5x points. A tier is "
                "kept for the rest of the year and the year after it; then members fall one tier "
                "at a time, unless it is deserved again."
            ),
        ),
        (
            {"measure": "orders", "policy": "balance", "grace_days": "1"},
            (
                "Members are placed by their orders in the last 365 days: Bronze for everybody; "
                "Silver from 100 orders, with 1.25x points; Gold from 500 orders, with 1.5x "
                "points. A tier is kept until it is not deserved any more, and 1 day more."
            ),
        ),
        (
            {"period": "forever"},
            (
                "Members are placed by the points of their orders in all: Bronze for everybody; "
                "Silver from 100 points, with 1.25x points; Gold from 500 points, with 1.5x "
                "points. Once reached, a tier stays; only an order that comes back takes it."
            ),
        ),
        (
            {"threshold-gold": "many"},
            "Not complete yet: Please give a number, such as 500.",
        ),
    ],
)
async def test_the_form_says_what_it_comes_to_while_it_is_filled_in(
    alice, typed: dict[str, str], said: str
) -> None:
    await tiers()
    assert text(await alice.get("/tiers/sentence", **FORM | typed)) == said
    assert "Members are placed by the points of their orders" in text(await alice.get("/tiers"))
