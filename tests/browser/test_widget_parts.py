"""The referral link as a shopper shares it, and what is left of the panel when a part is away."""

import pytest
from playwright.async_api import expect

from tests.browser.fake_shop import FakeShop
from tests.browser.test_widget_programme import everything

# the referral link


async def test_a_link_is_shown_with_what_friends_get_and_every_way_to_share_it(
    shop: FakeShop,
) -> None:
    everything(shop)
    page, panel = await shop.open()
    await expect(panel).to_contain_text("Your friend gets: $10 off")
    await expect(panel).to_contain_text("2 friends have ordered")
    for name, address in (
        ("E-mail", "mailto:?subject="),
        ("WhatsApp", "https://wa.me/?text="),
        ("X", "https://twitter.com/intent/tweet?text="),
        ("Facebook", "https://www.facebook.com/sharer/sharer.php?u="),
    ):
        link = panel.get_by_role("link", name=f"{name}: share your link", exact=True)
        found = await link.get_attribute("href")
        assert found
        assert found.startswith(address)
        assert "alice.example%2Fr%2F7K2M" in found
    await panel.get_by_role("button", name="Copy: Your link").click()
    await expect(panel.get_by_role("button", name="Copied: Your link")).to_be_focused()
    assert await page.evaluate("navigator.clipboard.readText()") == "https://alice.example/r/7K2M"


async def test_a_link_that_is_not_made_yet_is_on_its_way_and_one_known_stays(
    shop: FakeShop,
) -> None:
    everything(shop)
    link = shop.mine["referral"]["url"]
    shop.mine["referral"] |= {"url": None, "status": "unavailable"}  # none was asked for yet
    shop.posts["/referral-link"] = (202, {"url": None, "status": "queued"})
    _, panel = await shop.open()
    await panel.get_by_role("button", name="Get my link").click()
    await expect(panel).to_contain_text("Your link is on its way.")
    shop.mine["referral"] |= {"url": link, "status": "ready"}
    await expect(panel).to_contain_text(link, timeout=12_000)
    # referrals are away from now on
    shop.mine["referral"] = {"url": None, "status": "unavailable"}
    shop.mine["notices"] = ["Something else."]
    await expect(panel).to_contain_text("Something else.", timeout=12_000)
    await expect(panel).to_contain_text(link)


# what is missing


@pytest.mark.long
async def test_whatever_is_missing_or_of_another_shape_takes_nothing_else_with_it(
    shop: FakeShop,
) -> None:
    everything(shop)
    whole = dict(shop.mine)
    page, panel = await shop.open()
    for name, value in whole.items():
        others = {"Your level": "tier", "Invite friends": "referral", "Right now": "campaigns"}
        for me in (
            {**whole, name: None},
            {key: value for key, value in whole.items() if key != name},
            {**whole, name: {} if isinstance(value, list) else []},
        ):
            shop.me = (200, {**me, "rewards": me.get("rewards") or []} if name == "points" else me)
            await page.evaluate("document.querySelector('holdfast-widget').view.refresh()")
            await expect(panel.locator(".body")).to_be_visible()
            for heading, part in others.items():
                if part != name:
                    await expect(panel).to_contain_text(heading, timeout=2_000)
    assert shop.page_errors == []


async def test_a_part_that_is_away_is_marked_where_it_stands(shop: FakeShop) -> None:
    everything(shop)
    shop.mine["rewards"] = None
    _, panel = await shop.open()
    await expect(panel).to_contain_text("This cannot be shown at the moment.")
    await expect(panel).to_contain_text("240 points")
    await expect(panel).to_contain_text("Silver")


HALF: list[dict[str, object]] = [
    {"rewards": [None, 7, "x", {}]},
    {"rewards": [{"id": "1", "title": None, "cost": None}]},
    {"rewards": [{"id": "1", "title": "R", "cost": 100, "choose": {}}]},
    {"rewards": [{"id": "1", "title": "R", "cost": 100, "conditions": []}]},
    {"codes": [None, {}, {"id": "9", "code": 7}]},
    {"redemptions": [None], "codes": None},
    {"coming": [None, {}], "ending": [None, {"on": "no day", "points": "x"}]},
    {"tiers": [None, {}], "tier": {"id": "x"}},
    {"tier": {"id": "x", "name": "X", "next": {}, "keeps": {"until": "never"}, "perks": "text"}},
    {"campaigns": [None, {}, {"name": "N", "ends_at": "no moment"}]},
    {
        "ways_to_earn": [
            None,
            {},
            {"kind": "order"},
            {"kind": "follow", "url": "javascript:alert(1)"},
        ]
    },
    {"birthday": {"month_day": "99-99", "can_edit": True}},
    {"birthday": {"month_day": 7, "can_edit": False, "editable_from": "soon"}},
    {"referral": {"url": "javascript:alert(1)", "status": 3, "offer": [], "counts": "many"}},
    {"referral": {"url": None, "status": "ready", "offer": {"friend": 7, "advocate": {}}}},
    {"notices": [None, {}, 7]},
    {
        "points": {
            "available": "many",
            "pending": None,
            "held": -3,
            "debt": "x",
            "as_of": "never",
            "source": "live",
        }
    },
    {"appearance": {"colours": "red", "hidden": 7, "icon": {}}, "texts": {"launcher": {}}},
    {"texts": {"balance": "{nobody} <b>" + "\u202e" * 3 + "x" * 3_000}},
    {"rewards": [{"id": "1", "title": "<img src=x onerror=alert(1)>" + "😀" * 4_000, "cost": 1}]},
]


async def test_a_half_answer_takes_nothing_else_with_it(shop: FakeShop) -> None:
    everything(shop)
    whole = dict(shop.mine)
    page, panel = await shop.open()
    for half in HALF:
        shop.me = (200, {**whole, **half})
        await page.evaluate("document.querySelector('holdfast-widget').view.refresh()")
        others = {
            "Redeem your points": "rewards",
            "Invite friends": "referral",
            "Right now": "campaigns",
        }
        for heading, part in others.items():
            if part not in half and "texts" not in half:
                await expect(panel, str(half)[:200]).to_contain_text(heading, timeout=3_000)
        assert await panel.locator("a[href^='javascript']").count() == 0, half
        assert await panel.locator(".body").count() == 1, half
    shop.me = (200, whole)
    await page.evaluate("document.querySelector('holdfast-widget').view.refresh()")
    await expect(panel).to_contain_text("Your level", timeout=3_000)
    assert shop.page_errors, "what could not be drawn is told"
    shop.page_errors.clear()
