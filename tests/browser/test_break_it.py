"""By hand, as somebody new: an order, its points, a refund, and Shopify going away."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, FrameLocator, Page, expect

from tests.stack import SHOP, Stack

pytestmark = pytest.mark.long

PATIENCE = 20_000  # milliseconds
CODE = re.compile(r"HF-\w+")


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Browser) -> AsyncIterator[Page]:
    context = await chromium.new_context(locale="en-US", viewport={"width": 1280, "height": 860})
    page = await context.new_page()
    page.set_default_timeout(10_000)
    failed: list[str] = []
    context.on("weberror", lambda error: failed.append(str(error.error)))
    await context.route(re.compile(r"/polaris\.js"), lambda route: route.abort())
    yield page
    await context.close()
    assert failed == []


async def sign_in(shop: Page | FrameLocator, customer_id: str) -> None:
    await shop.get_by_label("Sign in as").select_option(customer_id)
    await shop.get_by_role("button", name="Sign in", exact=True).click()
    await expect(shop.get_by_role("button", name="Sign out")).to_be_visible()


async def test_an_order_becomes_points_on_both_sides_and_a_refund_takes_its_part_and_says_why(
    stack: Stack, page: Page
) -> None:
    dora = stack.customer("Dora")
    await page.goto(f"{stack.store_url}/shops/{SHOP}/")
    await sign_in(page, dora)
    await page.get_by_role("button", name="Add to cart").first.click()  # a mug for 18.00
    await page.locator("input[name=quantity]").fill("3")
    await page.locator("input[name=quantity]").press("Enter")
    await page.goto(f"{stack.store_url}/shops/{SHOP}/checkout")
    await page.get_by_role("button", name="Place order").click()
    launcher = page.locator("holdfast-widget .launcher")
    # without a reload
    await expect(launcher).to_have_accessible_name("Rewards 54 points", timeout=PATIENCE)

    admin = await page.context.new_page()
    await admin.goto(
        f"{stack.store_url}/store/alice?path=/customers/{dora}", wait_until="domcontentloaded"
    )
    app = admin.frame_locator("iframe")
    available = app.locator(".figure", has_text="Available").locator("dd")
    await expect(available).to_contain_text("54")

    await page.get_by_label("Refunded of Enamel mug").fill("1")
    await page.get_by_label("Reason").fill("Chipped")
    await page.get_by_role("button", name="Refund these pieces").click()
    await expect(launcher).to_have_accessible_name("Rewards 36 points", timeout=PATIENCE)
    await admin.reload(wait_until="domcontentloaded")
    await expect(available).to_contain_text("36")
    taken = app.locator("tr", has=app.get_by_text("Taken back")).first
    await expect(taken).to_contain_text("\N{MINUS SIGN}18")
    await taken.locator("summary").click()
    await expect(taken).to_contain_text("18 of the 54 points it earned are taken back")


async def test_with_shopify_gone_by_its_button_a_code_is_prepared_and_comes_once(
    whole_stack: Stack, page: Page
) -> None:
    stack, emre = whole_stack, whole_stack.customer("Emre")
    stack.order(emre, "120.00")
    stack.wait_for_points(emre, 120)
    discounts = f"shops/{SHOP}/discounts"
    before = len(stack.control("GET", discounts))
    await page.goto(f"{stack.store_url}/break")
    await page.get_by_label("gone").check()
    await page.locator("form[action$='/break/shopify'] button").click()
    await expect(page.locator("#said")).to_contain_text("503")

    shop = await page.context.new_page()
    await shop.goto(f"{stack.store_url}/shops/{SHOP}/")
    await sign_in(shop, emre)
    await shop.locator("holdfast-widget .launcher").click()
    panel = shop.get_by_role("dialog")
    await panel.get_by_role("button", name="Redeem $5.00 off").click()
    await panel.get_by_role("button", name="Get my code").click()
    await expect(panel.locator(".body")).to_contain_text("Your code is being prepared")
    await expect(panel).to_contain_text("100 points set aside for a code")
    assert len(stack.control("GET", discounts)) == before

    await page.get_by_label("normal").check()
    await page.locator("form[action$='/break/shopify'] button").click()
    await expect(panel.locator(".code")).to_have_text(CODE, timeout=60_000)  # it comes by itself
    assert len(stack.control("GET", discounts)) == before + 1
    assert stack.me(emre)["points"]["available"] == 20
