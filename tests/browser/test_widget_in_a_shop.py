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
    await expect(launcher).to_have_accessible_name("Rewards 40 points")
    if folder := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=f"{folder}/widget.png")
    await panel.get_by_role("button", name=f"Apply to cart, code {code}").click()
    await expect(panel.locator(".good")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.goto(f"{stack.store_url}/shops/{SHOP}/checkout")
    await expect(page.locator("body")).to_contain_text(code)
    assert errors == []
