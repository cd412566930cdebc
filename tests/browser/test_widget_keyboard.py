"""The widget by keyboard and by ear: the order of its stops, names that begin as they read, and
what is read out.
"""

from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.fake_shop import CODE, FakeShop

# by the browser's own accessibility tree
NAMED = ("button", "link")


async def named_and_seen(page: Page, within: Locator) -> list[tuple[str, str]]:
    """Name and visible text of every button and link."""
    session = await page.context.new_cdp_session(page)
    found = []
    for role in NAMED:
        for element in await within.get_by_role(role).all():
            handle = await element.element_handle()
            assert handle
            await handle.evaluate("(element) => { globalThis.__asked = element; }")
            remote = await session.send("Runtime.evaluate", {"expression": "__asked"})
            tree = await session.send(
                "Accessibility.getPartialAXTree",
                {"objectId": remote["result"]["objectId"], "fetchRelatives": False},
            )
            node: Any = tree["nodes"][0]
            if not node["ignored"]:  # as the launcher is behind the open dialog
                seen = " ".join((await element.inner_text()).split())
                found.append((node["name"]["value"], seen))
    await session.detach()
    return found


async def focused(page: Page) -> str:
    name: str = await page.evaluate(
        "document.querySelector('holdfast-widget').shadowRoot.activeElement?.dataset.key ?? 'none'"
    )
    return name


async def each_name_begins_as_it_reads(page: Page) -> None:
    found = await named_and_seen(page, page.locator("holdfast-widget"))
    assert found
    for name, seen in found:
        assert name, "each has one"
        assert name.lower().startswith(seen.lower()), (name, seen)


@pytest.mark.parametrize("locale", ["en", "de"])
@pytest.mark.parametrize("state", ["known", "code", "signed out"])
async def test_a_name_begins_with_the_words_one_sees(
    shop: FakeShop, locale: str, state: str
) -> None:
    shop.locale = locale
    if state == "code":
        shop.give_code()
    if state == "signed out":
        shop.mine["customer_id"] = None
        shop.mine["points"] |= {"as_of": None, "source": "unavailable"}
    page = await shop.visit()
    await page.locator(".launcher").wait_for()
    await each_name_begins_as_it_reads(page)
    await page.locator(".launcher").click()
    await page.get_by_role("dialog").wait_for()
    await each_name_begins_as_it_reads(page)
    if state == "known":
        await page.locator("[data-key='redeem:1']").click()
    if state == "code":
        await page.locator("[data-key='copy:r1']").click()
        await page.locator("[data-key='apply:r1']").click()
        await page.locator(".good").wait_for()
    await each_name_begins_as_it_reads(page)


async def test_the_keyboard_alone_goes_from_the_launcher_to_a_code_in_the_cart(
    shop: FakeShop,
) -> None:
    page = await shop.visit()
    await page.locator(".launcher").wait_for()
    for _ in range(5):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.localName") == "holdfast-widget":
            break
    await page.keyboard.press("Enter")
    panel = page.get_by_role("dialog")
    await panel.wait_for()
    order = []
    for _ in range(5):
        order.append(await focused(page))
        await page.keyboard.press("Tab")
    # the body can be scrolled by keyboard; then round to the first stop
    assert order == ["close", "none", "redeem:1", "more:history", "close"]
    await page.keyboard.press("Tab")
    assert await focused(page) == "redeem:1"
    shop.give_code()
    shop.redemption_seconds = 0.2
    await page.keyboard.press("Space")
    await expect(panel.get_by_role("button", name="Get my code")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(panel.locator(".code")).to_be_focused()
    await expect(panel.get_by_role("status")).to_have_text(f"Your code is ready: {CODE}")
    await page.keyboard.press("Tab")
    assert await focused(page) == "copy:r1"
    await page.keyboard.press("Tab")
    assert await focused(page) == "apply:r1"
    await page.keyboard.press("Enter")
    await expect(panel.get_by_role("status")).to_have_text("Applied. You will see it at checkout.")
    assert await focused(page) == "apply:r1"
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(page.locator(".launcher")).to_be_focused()


async def test_a_poll_leaves_the_focus_where_it_is(shop: FakeShop) -> None:
    page, panel = await shop.open()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    assert await focused(page) == "redeem:1"
    shop.mine["points"] |= {"available": 260, "sequence": 13}
    await expect(panel.locator(".total")).to_have_text("260 points", timeout=12_000)
    assert await focused(page) == "redeem:1"


async def test_a_key_held_down_presses_once(shop: FakeShop) -> None:
    page, panel = await shop.open()
    await panel.get_by_role("button", name="Redeem $5.00 off").focus()
    await page.keyboard.down("Enter")
    for _ in range(5):
        await page.keyboard.down("Enter")  # as a keyboard repeats it
    await page.keyboard.up("Enter")
    await expect(panel.get_by_role("button", name="Get my code")).to_be_focused()
    assert shop.keys == []
