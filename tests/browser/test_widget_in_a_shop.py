"""Bob at the stand-in store: an order, its points, a code, and the code in his checkout."""

import os
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.stack import SHOP, Stack


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Browser) -> AsyncIterator[Page]:
    context = await chromium.new_context(locale="en-US", viewport={"width": 1100, "height": 800})
    page = await context.new_page()
    page.set_default_timeout(8000)
    yield page
    await context.close()


async def test_bob_earns_redeems_and_pays_less(stack: Stack, page: Page) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console", lambda message: errors.append(message.text) if message.type == "error" else None
    )
    bob = stack.customer("Bob", SHOP)
    stack.order(bob, "140.00")
    stack.wait_for_points(bob, 140)
    await page.goto(f"{stack.store_url}/shops/{SHOP}/")
    launcher = page.locator("holdfast-widget .launcher")
    await expect(launcher).to_have_accessible_name("Rewards")
    await launcher.click()
    panel = page.get_by_role("dialog")
    await panel.get_by_role("link", name="Sign in to see your points").click()
    await expect(panel).to_be_hidden()
    await page.get_by_label("Sign in as").select_option(bob)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(launcher).to_have_accessible_name("Rewards 140 points")
    await launcher.click()
    await panel.get_by_role("button", name="Redeem $5.00 off").click()
    await panel.get_by_role("button", name="Get my code").click()
    code = await panel.locator(".code").text_content()
    assert code
    await expect(panel.locator(".total")).to_have_text("40 points")
    if folder := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=f"{folder}/widget.png")
    await panel.get_by_role("button", name=f"Apply to cart, code {code}").click()
    await expect(panel.locator(".good")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(launcher).to_have_accessible_name("Rewards 40 points")
    await page.goto(f"{stack.store_url}/shops/{SHOP}/checkout")
    await expect(page.locator("body")).to_contain_text(code)
    assert errors == []


async def test_fast_clicks_in_two_open_widgets_spend_once(stack: Stack, page: Page) -> None:
    """What ten clicks in each of two windows come to, where points are really held."""
    gia = stack.customer("Gia", SHOP)
    stack.order(gia, "350.00")
    stack.wait_for_points(gia, 350)
    other = await page.context.new_page()
    await page.goto(f"{stack.store_url}/shops/{SHOP}/")
    await page.get_by_label("Sign in as").select_option(gia)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await other.goto(f"{stack.store_url}/shops/{SHOP}/")
    spots = []
    for one in (page, other):
        await one.locator("holdfast-widget .launcher").click()
        panel = one.get_by_role("dialog")
        await panel.get_by_role("button", name="Redeem $5.00 off").click()
        box = await panel.get_by_role("button", name="Get my code").bounding_box()
        assert box
        spots.append((box["x"] + box["width"] / 2, box["y"] + box["height"] / 2))
    for _ in range(10):
        for one, spot in zip((page, other), spots, strict=True):
            await one.mouse.click(*spot)
    for one in (page, other):
        await expect(one.get_by_role("dialog").locator(".code")).to_have_count(1)
    me = stack.me(gia)
    assert len(me["codes"]) == len(me["redemptions"]) == 1
    assert me["points"]["available"] == 250
    history = stack.proxy("GET", "/storefront/history", gia).json()["history"]
    assert [one["kind"] for one in history] == ["redeemed", "earned"]
    await other.close()
