"""Redeeming in the widget: confirmed, shown, copied, applied, and never twice by mistake."""

from playwright.async_api import expect

from tests.browser.fake_shop import CODE, ORIGIN, FakeShop
from tests.flow.helpers import until


async def test_a_code_is_asked_for_confirmed_shown_copied_and_applied(shop: FakeShop) -> None:
    shop.root = "/en-gb"  # a shop under a path of its own
    page, panel = await shop.open()
    await panel.get_by_role("button", name="Redeem $5.00 off").click()
    confirm = panel.get_by_role("button", name="Get my code")
    await expect(confirm).to_be_focused()
    await expect(panel).to_contain_text("Use 100 points for $5.00 off?")
    shop.give_code()
    await page.keyboard.press("Enter")
    code = panel.locator(".code")
    await expect(code).to_have_text(CODE)
    await expect(code).to_be_focused()
    await expect(panel.get_by_role("status")).to_have_text(f"Your code is ready: {CODE}")
    await expect(panel.locator(".total")).to_have_text("140 points")
    await panel.get_by_role("button", name=f"Copy, code {CODE}").click()
    await expect(panel.get_by_role("status")).to_have_text("Copied")
    assert await page.evaluate("navigator.clipboard.readText()") == CODE
    await panel.get_by_role("button", name=f"Apply to cart, code {CODE}").click()
    await expect(panel.locator(".good")).to_have_text("Applied. You will see it at checkout.")
    await expect(panel.locator(".good")).to_be_focused()
    assert f"/en-gb/discount/{CODE}" in shop.asked


async def test_a_change_of_mind_redeems_nothing_and_the_focus_goes_back(shop: FakeShop) -> None:
    _, panel = await shop.open()
    redeem = panel.get_by_role("button", name="Redeem $5.00 off")
    await redeem.click()
    await panel.get_by_role("button", name="Not now").click()
    await expect(redeem).to_be_focused()
    assert shop.keys == []


async def test_a_double_click_asks_once(shop: FakeShop) -> None:
    _, panel = await shop.open()
    await panel.get_by_role("button", name="Redeem $5.00 off").click()
    shop.give_code()
    shop.redemption_seconds = 0.2
    await panel.get_by_role("button", name="Get my code").dblclick()
    await expect(panel.locator(".code")).to_have_text(CODE)
    assert len(shop.keys) == 1


async def test_asked_again_after_a_failure_it_is_the_same_redemption_also_over_a_reload(
    shop: FakeShop,
) -> None:
    page, panel = await shop.open()
    await panel.get_by_role("button", name="Redeem $5.00 off").click()
    await panel.get_by_role("button", name="Get my code").click()  # the connection breaks
    await expect(panel.get_by_role("alert")).to_contain_text("Your points are safe")
    shop.redemption = (503, {"error": {"code": "unavailable", "message": "Not now."}})
    await panel.get_by_role("button", name="Try again").click()
    await expect(panel.get_by_role("button", name="Try again")).to_be_focused()
    await page.goto(f"{ORIGIN}/")
    await page.locator(".launcher").click()
    shop.give_code()
    await panel.get_by_role("button", name="Redeem $5.00 off").click()
    await panel.get_by_role("button", name="Get my code").click()
    await expect(panel.locator(".code")).to_have_text(CODE)
    assert len(shop.keys) == 3
    assert len(set(shop.keys)) == 1
    assert 8 <= len(shop.keys[0]) <= 128
    await panel.get_by_role("button", name="Redeem $5.00 off").click()
    await panel.get_by_role("button", name="Get my code").click()
    assert await until(lambda: len(shop.keys) == 4)
    assert len(set(shop.keys)) == 2, "a new redemption has a key of its own"


async def test_a_refusal_is_a_sentence_and_the_next_try_is_a_new_redemption(shop: FakeShop) -> None:
    _, panel = await shop.open()
    shop.redemption = (422, {"error": {"code": "insufficient_points", "message": "Too few."}})
    await panel.get_by_role("button", name="Redeem $5.00 off").click()
    await panel.get_by_role("button", name="Get my code").click()
    await expect(panel.get_by_role("alert")).to_have_text(
        "You do not have enough points for this reward."
    )
    await panel.get_by_role("button", name="Try again").click()
    await expect(panel.get_by_role("alert")).to_be_visible()
    assert len(set(shop.keys)) == 2


async def test_a_code_being_prepared_says_so_and_comes_by_itself(shop: FakeShop) -> None:
    _, panel = await shop.open()
    shop.give_code("held")
    await panel.get_by_role("button", name="Redeem $5.00 off").click()
    await panel.get_by_role("button", name="Get my code").click()
    await expect(panel.locator(".coupon")).to_contain_text("Your code is being prepared.")
    await expect(panel).to_contain_text("100 points set aside for a code")
    shop.give_code()
    # the first question comes after two seconds
    await expect(panel.locator(".code")).to_have_text(CODE)
    await expect(panel.get_by_role("status")).to_have_text(f"Your code is ready: {CODE}")


async def test_ten_fast_clicks_ask_once_wherever_they_land(shop: FakeShop) -> None:
    """On the button that asks, on the one that confirms, and on what stands there afterwards."""
    page, panel = await shop.open()
    shop.redemption_seconds = 0.1
    redeem = panel.get_by_role("button", name="Redeem $5.00 off")
    await redeem.click(click_count=10, delay=5)
    confirm = panel.get_by_role("button", name="Get my code")
    await expect(confirm).to_be_visible()
    assert shop.keys == []
    box = await confirm.bounding_box()
    assert box
    shop.give_code()
    for _ in range(10):  # each of them a first click, faster than anybody is
        await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await expect(panel.locator(".code")).to_have_text(CODE)
    await page.wait_for_timeout(300)
    assert len(shop.keys) == 1
    assert [path for path in shop.asked if "discount" in path] == []


async def test_two_widgets_that_show_the_same_balance_ask_for_the_same_redemption(
    shop: FakeShop,
) -> None:
    panels = [(await shop.open())[1] for _ in range(2)]
    for panel in panels:
        await panel.get_by_role("button", name="Redeem $5.00 off").click()
    shop.give_code()
    shop.redemption_seconds = 0.1
    for panel in panels:
        await panel.get_by_role("button", name="Get my code").click(no_wait_after=True)
    for panel in panels:
        await expect(panel.locator(".code")).to_have_text(CODE)
    assert len(shop.keys) == 2
    assert len(set(shop.keys)) == 1
    # what is wanted after that is something else
    await panels[0].get_by_role("button", name="Redeem $5.00 off").click()
    await panels[0].get_by_role("button", name="Get my code").click()
    assert await until(lambda: len(shop.keys) == 3)
    assert shop.keys[2] != shop.keys[0]


async def test_without_its_script_the_panel_says_so_and_opens_once_it_is_there(
    shop: FakeShop,
) -> None:
    page = await shop.visit()
    launcher = page.locator(".launcher")
    await launcher.wait_for()
    await page.route("**/view.js*", lambda route: route.abort())
    await launcher.click()
    await expect(launcher).to_contain_text("Your points are safe; please try again.")
    await page.unroute("**/view.js*")
    await launcher.click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await expect(launcher).to_contain_text("Rewards")
