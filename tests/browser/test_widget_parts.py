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
