"""Bob at the checkout, where the extension runs in its frame: rewards of every kind with their
conditions, a code that pays for this order, and nothing where the app is away.
"""

import os
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, FrameLocator, Page, expect

from tests.browser.test_widget_programme import CONDITIONS, a_reward
from tests.stack import SHOP, Stack

OPEN = {"Access-Control-Allow-Origin": "*"}
CODE = {
    "id": "c1",
    "state": "captured",
    "code": "HF-0000000001",
    "title": "5.00 off",
    "kind": "amount_off",
    "amount_off": "5.00",
    "percent_off": None,
    "currency": "USD",
    "ends_at": "2031-06-01T12:00:00Z",
    "conditions": CONDITIONS,
}


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Browser) -> AsyncIterator[Page]:
    context = await chromium.new_context(locale="en-US", viewport={"width": 1100, "height": 900})
    page = await context.new_page()
    page.set_default_timeout(8000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    await context.close()
    assert errors == []


async def at_checkout(stack: Stack, page: Page, customer: str | None) -> FrameLocator:
    await page.goto(f"{stack.store_url}/shops/{SHOP}/")
    if customer:
        await page.get_by_label("Sign in as").select_option(customer)
        await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.get_by_role("button", name="Add to cart").first.click()
    await page.goto(f"{stack.store_url}/shops/{SHOP}/checkout")
    return page.frame_locator("#block")


async def test_bob_turns_points_into_money_off_this_order(stack: Stack, page: Page) -> None:
    bob = stack.customer("Bob", SHOP)
    stack.order(bob, "240.00")
    stack.wait_for_points(bob, 240)
    block = await at_checkout(stack, page, bob)
    await expect(block.get_by_text("Your balance: 240 points")).to_be_visible()
    await expect(block.get_by_text("260 points to go")).to_be_visible()
    await block.get_by_role("button", name="Redeem $5.00 off").click()
    await expect(block.locator("s-banner")).to_have_text("Used for this order.")
    await expect(block.get_by_text("Your balance: 140 points")).to_be_visible()
    again = block.get_by_role("button", name="Redeem $5.00 off")
    await expect(again, "what is left can be used, too").to_be_enabled()
    code = (await stack_codes(stack, bob))[0]
    await expect(page.locator("#order")).to_contain_text(code)
    if folder := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=f"{folder}/checkout.png", full_page=True)


async def stack_codes(stack: Stack, customer: str) -> list[str]:
    return [one["code"] for one in stack.me(customer)["codes"]]


async def test_every_kind_of_reward_and_a_codes_end_are_told_in_words(
    stack: Stack, page: Page
) -> None:
    kinds = ("amount_off", "percent_off", "free_shipping", "free_product", "store_credit")
    rewards = [a_reward(str(number), kind) for number, kind in enumerate((*kinds, "gift_card"))]
    rewards[0]["conditions"] = CONDITIONS
    rewards[1] |= {"amount_off": None, "percent_off": "15"}
    rewards[2]["amount_off"] = rewards[3]["amount_off"] = None
    points = {"available": 900, "pending": 0, "held": 0, "source": "cached"}
    points["as_of"] = "2031-05-03T12:00:00Z"
    me = {"customer_id": "7", "rewards": rewards, "codes": [CODE], "points": points}
    await page.route("**/checkout/me*", lambda route: route.fulfill(json=me, headers=OPEN))
    block = await at_checkout(stack, page, None)
    await block.get_by_role("button", name="Show more").click()
    for text in (
        "As of May 3",
        "$5.00 off: HF-0000000001",
        "Use it by June 1, 2031",
        "For orders of $50 or more",
        "For certain products",
        "Goes together with other discounts on: shipping and products",
        "15% off",
        "Free shipping",
        "Free product",
        "$5.00 store credit",
        "$5.00 gift card",
    ):
        await expect(block.get_by_text(text, exact=False).first).to_be_visible()


async def test_a_guest_sees_what_points_get_and_no_balance(stack: Stack, page: Page) -> None:
    block = await at_checkout(stack, page, None)
    await expect(block.get_by_text("Sign in to see your points")).to_be_visible()
    await expect(block.get_by_text("What points get you")).to_be_visible()
    await expect(block.get_by_role("button", name="Redeem")).to_have_count(0)


async def test_it_speaks_the_language_of_the_checkout(stack: Stack, page: Page) -> None:
    await page.goto(f"{stack.store_url}/shops/{SHOP}/checkout/block?lang=de-AT")
    await expect(page.get_by_role("heading", name="Prämien", exact=True)).to_be_visible()


async def test_it_draws_nothing_where_the_app_is_away(stack: Stack, page: Page) -> None:
    await page.route("**/checkout/me*", lambda route: route.abort())
    block = await at_checkout(stack, page, None)
    await page.wait_for_load_state("networkidle")
    await expect(block.locator("body > *")).to_have_count(0)
    await expect(page.get_by_role("button", name="Place order")).to_be_visible()
