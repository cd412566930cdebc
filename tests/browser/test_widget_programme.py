"""What a shopper sees of the programme: rewards of every kind, tier, campaigns, ways, birthday."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.fake_shop import FakeShop

SOON = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}"
TIER: dict[str, Any] = {
    "id": "2",
    "name": "Silver",
    "icon": "\N{SPORTS MEDAL}",
    "next": {"name": "Gold", "measure": "spend", "have": 300, "want": 500},
    "keeps": {"until": "2031-12-31", "have": 300, "want": 250},
    "perks": ["1.5 times the points"],
}
TIERS: list[dict[str, Any]] = [
    {"id": "1", "name": "Bronze", "threshold": 0, "measure": "spend", "perks": []},
    {"id": "2", "name": "Silver", "threshold": 250, "measure": "spend", "perks": []},
    {"id": "3", "name": "Gold", "threshold": 500, "measure": "spend", "perks": ["A gift"]},
]
CONDITIONS: dict[str, Any] = {
    "minimum_subtotal": "50.00",
    "is_limited_to_products": True,
    "code_days": 30,
    "per_customer": 2,
    "left": 1,
    "combines_with": ["shipping", "product"],
    "tiers": ["Silver", "Gold"],
    "ends_at": "2031-05-03T12:00:00Z",
}
CHOOSE = {"least": 100, "most": 400, "step": 50, "points_per_unit": 50, "unit_amount": "2.50"}


def a_reward(reward_id: str, kind: str, cost: int = 100, **more: Any) -> dict[str, Any]:
    return {
        "id": reward_id,
        "title": "",
        "kind": kind,
        "text": "",
        "icon": "",
        "cost": cost,
        "amount_off": "5.00",
        "percent_off": None,
        "currency": "USD",
        "conditions": None,
        "choose": None,
        "can_redeem": True,
        "why_not": None,
        **more,
    }


def everything(shop: FakeShop) -> None:
    """All that the app may tell."""
    shop.mine.update(
        tier=TIER,
        tiers=TIERS,
        campaigns=[
            {"id": "1", "name": "Double weekend", "text": "On all tea", "effect": "multiply"}
            | {"value": "2", "ends_at": SOON},
        ],
        rewards=[
            a_reward("1", "amount_off", conditions=CONDITIONS, icon="\N{TEACUP WITHOUT HANDLE}"),
            a_reward("2", "percent_off", amount_off=None, percent_off="15"),
            a_reward("3", "free_shipping", amount_off=None),
            a_reward("4", "free_product", amount_off=None, title="A mug"),
            a_reward("5", "store_credit"),
            a_reward("6", "gift_card", cost=900, amount_off="30.00"),
            a_reward("7", "amount_off", title="Your own sum", amount_off=None, choose=CHOOSE),
        ],
        ways_to_earn=[
            {"kind": "order", "points": "1", "per": "1", "currency": "USD", "pending_days": 0},
            {"kind": "account", "id": "a", "title": "", "points": 50, "state": "done"},
            {"kind": "birthday", "id": "birthday", "title": "", "points": 200, "state": "open"},
            {"kind": "follow", "id": "f", "title": "Follow us", "points": 20, "state": "open"}
            | {"url": "https://social.example/alice"},
        ],
        birthday={"month_day": None, "can_edit": True, "editable_from": None},
        referral={
            "url": "https://alice.example/r/7K2M",
            "status": "ready",
            "offer": {"friend": "$10 off", "advocate": "500 points"},
            "counts": {"waiting": 1, "completed": 2},
        },
    )


async def test_every_kind_of_reward_has_a_name_and_its_conditions_in_words(shop: FakeShop) -> None:
    everything(shop)
    _, panel = await shop.open()
    for text in (
        "$5.00 off",
        "15% off",
        "Free shipping",
        "A mug",
        "$5.00 store credit",
        "$30.00 gift card",
        "For orders of $50 or more",
        "For certain products",
        "Good for 30 days",
        "2 times per customer",
        "1 left",
        "Goes together with other discounts on: shipping and products",
        "For Silver or Gold",
        "Until May 3, 2031",
        "100 points to 400 points",
    ):
        await expect(panel).to_contain_text(text)


async def test_a_reward_that_cannot_be_had_says_why_and_has_no_button(shop: FakeShop) -> None:
    shop.mine["rewards"] = [
        a_reward("1", "percent_off", percent_off="15", can_redeem=False, why_not="For Gold."),
    ]
    _, panel = await shop.open()
    await expect(panel).to_contain_text("For Gold.")
    await expect(panel.get_by_role("button", name="Redeem")).to_have_count(0)


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"left": 0, "tiers": []}, "You have had this reward."),
        ({"left": None, "tiers": ["Gold"]}, "For Gold"),
        ({"left": 1, "tiers": [], "ends_at": "2025-01-01T00:00:00Z"}, "This reward is over."),
        ({"left": 1, "tiers": []}, "Not for you yet."),
    ],
)
async def test_what_keeps_a_reward_from_a_shopper_is_said_in_their_language(
    shop: FakeShop, conditions: dict[str, Any], said: str
) -> None:
    reward = a_reward("1", "percent_off", percent_off="15", can_redeem=False, why_not="English.")
    shop.mine["rewards"] = [{**reward, "conditions": conditions}]
    _, panel = await shop.open()
    await expect(panel).to_contain_text(said)
    await expect(panel).not_to_contain_text("English.")
    await expect(panel.get_by_role("button", name="Redeem")).to_have_count(0)


async def test_a_shopper_chooses_how_many_points_within_what_is_offered(shop: FakeShop) -> None:
    everything(shop)
    shop.give_code()
    _, panel = await shop.open()
    await panel.get_by_role("button", name="Redeem Your own sum").click()
    field = panel.get_by_role("spinbutton", name="Points")
    await expect(field).to_have_value("100")  # as much as there is: 140, in steps of 50
    await expect(panel).to_contain_text("That is $5.00")
    await field.fill("130")
    await panel.get_by_role("button", name="Get my code").click()
    await expect(panel.get_by_role("alert")).to_have_text(
        "Choose from 100 points to 400 points, in steps of 50."
    )
    await expect(field).to_be_focused()
    await field.fill("150")
    await expect(panel).to_contain_text("That is $7.50")
    await panel.get_by_role("button", name="Try again").click()
    await expect(panel.get_by_role("status")).to_contain_text("Your code is ready")
    assert [body["points"] for _, body in shop.sent] == [150]


async def test_the_end_of_a_code_is_said_in_words_and_a_gift_card_is_not_for_the_cart(
    shop: FakeShop,
) -> None:
    made = {"state": "captured", "points": 100, "amount_off": "5.00", "currency": "USD"}
    shop.mine["codes"] = [
        {**made, "id": "c1", "code": "HF-A", "title": "", "kind": "amount_off"}
        | {"ends_at": "2031-05-03T12:00:00Z", "conditions": {"minimum_subtotal": "50"}},
        {**made, "id": "c2", "code": "GIFT1", "title": "", "kind": "gift_card", "ends_at": None},
        {**made, "id": "c3", "code": "", "title": "", "kind": "store_credit", "ends_at": None},
    ]
    _, panel = await shop.open()
    coupons = panel.locator(".coupon")
    await expect(coupons).to_have_count(3)
    await expect(coupons.nth(0)).to_contain_text("For orders of $50 or more")
    await expect(coupons.nth(0)).to_contain_text("Use it by May 3, 2031")
    await expect(coupons.nth(1)).to_contain_text("Enter it as a gift card at checkout.")
    await expect(coupons.nth(1).get_by_role("button", name="Apply")).to_have_count(0)
    await expect(coupons.nth(2)).to_contain_text("It is in your account")


async def test_tier_campaign_and_ways_say_where_a_shopper_is(shop: FakeShop) -> None:
    everything(shop)
    shop.mine["campaigns"].append(
        {"id": "2", "name": "Over", "text": "", "effect": "add", "value": "5"}
        | {"ends_at": "2025-01-01T00:00:00Z"}
    )
    page, panel = await shop.open()
    for text in (
        "Silver",
        "1.5 times the points",
        "$200 to Gold",
        "Yours until December 31, 2031",
        "From $500",
        "Double weekend",
        "2 times the points",
        "Create an account",
        "Done",
    ):
        await expect(panel).to_contain_text(text)
    await expect(panel).not_to_contain_text("Bronze")
    await expect(panel).not_to_contain_text("Over")  # ended means ended
    shop.posts["/actions"] = (200, {"state": "done"})
    link = panel.get_by_role("link", name="Go: Follow us")
    assert await link.get_attribute("rel") == "noopener noreferrer"
    # where it leads need not be opened here
    await link.evaluate(
        "(one) => { one.addEventListener('click', (it) => it.preventDefault()); one.click(); }"
    )
    await page.wait_for_function(
        "document.querySelector('holdfast-widget').view.earning.busy === null"
    )
    assert shop.sent == [("/actions", {"id": "f"})]


async def test_a_campaign_until_midnight_ends_with_its_last_day(shop: FakeShop) -> None:
    shop.mine["campaigns"] = [
        {"id": "1", "name": name, "text": "", "effect": "multiply", "value": "2", "ends_at": end}
        for name, end in (
            ("Whole days", "2031-05-03T00:00:00Z"),
            ("Till the evening", "2031-05-03T18:30:00Z"),
        )
    ]
    _, panel = await shop.open()
    await expect(panel.locator("li", has_text="Whole days")).to_contain_text("Until May 2, 2031")
    evening = panel.locator("li", has_text="Till the evening")
    await expect(evening).to_contain_text("Until May 3, 6:30")


async def test_a_birthday_is_asked_for_told_once_and_read_out(shop: FakeShop) -> None:
    everything(shop)
    _, panel = await shop.open()
    save = panel.get_by_role("button", name="Save")
    await save.click()
    await expect(panel.get_by_role("alert")).to_have_text("Choose a month and a day.")
    await panel.get_by_label("Month").select_option("February")
    await expect(panel.get_by_label("Month")).to_be_focused()
    await expect(panel.get_by_label("Day").locator("option")).to_have_count(30)
    await panel.get_by_label("Day").select_option("29")
    shop.posts["/birthday"] = (200, {})
    shop.mine["birthday"] = {"month_day": "02-29", "can_edit": False} | {
        "editable_from": "2031-05-03"
    }
    await save.click()
    await expect(panel).to_contain_text("Your birthday: February 29")
    await expect(panel).to_contain_text("You can change it from May 3, 2031.")
    await expect(panel.get_by_role("status")).to_have_text("Saved. Your points come on the day.")
    assert shop.sent == [("/birthday", {"month_day": "02-29"})]
