"""The widget in Chromium: what shoppers see, hear and press, and what no page pays."""

import gzip
import json
import re
from datetime import UTC, datetime

import pytest
from playwright.async_api import expect

from tests.browser.fake_shop import ROOT, FakeShop

WIDGET = ROOT / "static" / "widget"
CONTRAST = """(element) => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const paint = (...colours) => {
    canvas.reset();
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = [];
  for (let one = element; one; one = one.parentElement || one.getRootNode().host) {
    behind.unshift(getComputedStyle(one).backgroundColor);
  }
  const back = paint("white", ...behind);
  const text = paint("white", ...behind, getComputedStyle(element).color);
  return (Math.max(back, text) + 0.05) / (Math.min(back, text) + 0.05);
}"""


def english() -> dict[str, str]:
    return json.loads((WIDGET / "locales" / "en.json").read_text())


# what the page pays


def test_all_of_its_scripts_together_stay_under_28_kilobytes_compressed() -> None:
    scripts = b"".join(path.read_bytes() for path in sorted(WIDGET.glob("*.js")))
    assert len(scripts) > 5_000, "the widget must be there for this test to mean anything"
    assert len(gzip.compress(scripts)) <= 28 * 1024


@pytest.mark.browser
async def test_it_asks_for_nothing_before_the_page_is_loaded_and_never_moves_it(
    shop: FakeShop,
) -> None:
    page = await shop.visit()
    before = await page.locator("#below").bounding_box()
    await page.locator(".launcher").wait_for()
    assert shop.asked == ["image", "/apps/holdfast/me"]
    assert await page.locator("#below").bounding_box() == before
    await page.locator(".launcher").click()
    await page.get_by_role("dialog").wait_for()
    await page.wait_for_timeout(600)
    assert [shift for shift in await page.evaluate("shifts") if not shift["recent"]] == []
    assert await page.locator("#below").bounding_box() == before


async def test_there_is_nothing_at_all_when_the_app_is_away(shop: FakeShop) -> None:
    shop.me = None
    page = await shop.visit()
    for answer in (
        None,
        (503, {"error": {"code": "unavailable"}}),
        (404, "<h1>Page not found</h1>"),
        (200, "<p>"),
        (200, {"a": 1}),
    ):
        shop.me = answer
        shop.asked.clear()
        await page.reload()
        await page.wait_for_function(
            "performance.getEntries().some((one) => one.name.includes('/apps/holdfast/me'))"
        )
        await page.wait_for_timeout(200)
        assert "/apps/holdfast/me" in shop.asked
        is_there = "document.querySelector('holdfast-widget').shadowRoot !== null"
        assert not await page.evaluate(is_there), answer


async def test_later_failures_keep_what_was_known_and_say_that_it_may_be_old(
    shop: FakeShop,
) -> None:
    page = await shop.visit()
    await page.locator(".launcher").wait_for()
    shop.me = None
    await page.locator(".launcher").click()
    panel = page.get_by_role("dialog")
    await expect(panel).to_contain_text("Updates are on their way. As of Mar 4, 2:02 PM.")
    await expect(panel).to_contain_text("240 points")


# what shoppers see


async def test_it_shows_balance_pending_points_rewards_and_ways_to_earn(shop: FakeShop) -> None:
    page = await shop.visit()
    await expect(page.locator(".launcher")).to_have_accessible_name("Rewards 240 points")
    await page.locator(".launcher").click()
    panel = page.get_by_role("dialog")
    for text in (
        "240",
        "40 points on the way",
        "260 points to $30.00 off",
        "1 point for every $1 you spend",
    ):
        await expect(panel).to_contain_text(text)
    await expect(panel.get_by_role("button", name="Redeem $5.00 off")).to_be_visible()
    await expect(panel.get_by_role("button", name="Redeem $30.00 off")).to_have_count(0)
    await expect(panel).not_to_contain_text("Updates are on their way")


async def test_a_cached_balance_says_so_and_since_when(shop: FakeShop) -> None:
    shop.mine["points"]["source"] = "cached"
    shop.mine["notices"] = ["Updates are on their way."]
    _, panel = await shop.open()
    await expect(panel.locator(".behind")).to_have_text(
        "Updates are on their way. As of Mar 4, 2:02 PM."
    )
    shop.mine["points"]["as_of"] = f"{datetime.now(UTC):%Y-%m-%d}T14:02:00Z"
    _, panel = await shop.open()
    await expect(panel.locator(".behind")).to_have_text("Updates are on their way. As of 2:02 PM.")


@pytest.mark.browser
async def test_who_is_not_signed_in_sees_the_offer_and_no_balance(shop: FakeShop) -> None:
    shop.mine["customer_id"] = None
    shop.mine["points"] = {
        "available": 0,
        "pending": 0,
        "held": 0,
        "as_of": None,
        "source": "unavailable",
    }
    page = await shop.visit()
    await expect(page.locator(".launcher")).to_have_accessible_name("Rewards")
    await page.locator(".launcher").click()
    panel = page.get_by_role("dialog")
    link = panel.get_by_role("link", name="Sign in to see your points")
    assert await link.get_attribute("href") == "/account/login"
    await expect(panel).to_contain_text("$5.00 off")
    await expect(panel.locator(".total")).to_have_count(0)
    await expect(panel.get_by_role("button")).to_have_count(1)  # close
    await expect(panel).not_to_contain_text("codes")


@pytest.mark.browser
async def test_titles_with_markup_are_shown_as_they_are_written(shop: FakeShop) -> None:
    hostile = (
        "<img src=x onerror=\"document.title='gone'\">"
        " \u202e\u05d4\u05e0\u05d7\u05d4 \U0001f9cb & 'tea'"
    )
    shop.mine["rewards"][0]["title"] = hostile
    page, panel = await shop.open()
    await expect(panel.locator("li b").first).to_have_text(hostile)
    assert await panel.locator("img").count() == 0
    assert await page.title() == "Alice's tea"


@pytest.mark.browser
async def test_german_comes_from_its_message_file_and_numbers_follow(shop: FakeShop) -> None:
    shop.locale = "de-AT"
    shop.mine["points"]["available"] = 12_345
    page, panel = await shop.open()
    await expect(panel).to_contain_text("Dein Punktestand")
    await expect(panel).to_contain_text(re.compile(r"\$\s5,00 Rabatt"))
    await expect(panel).to_contain_text(re.compile(r"1 Punkt je \$\s1 Einkauf"))
    await page.keyboard.press("Escape")
    await expect(page.locator(".launcher")).to_have_accessible_name(
        re.compile("^Prämien 12.345 Punkte$")
    )


@pytest.mark.browser
async def test_a_page_from_right_to_left_has_it_on_the_other_side(shop: FakeShop) -> None:
    shop.direction = "rtl"
    page, panel = await shop.open()
    box = await page.locator(".launcher").bounding_box()
    assert box
    assert box["x"] < 100
    direction = "(one) => getComputedStyle(one.querySelector('.content')).direction"
    assert await panel.evaluate(direction) == "ltr", "it speaks English"


def test_every_language_has_the_same_messages_with_the_same_gaps() -> None:
    built_in: dict[str, str] = {}
    for name in ("holdfast.js", "words.js"):
        found = re.search(r"const ENGLISH = (\{.*?\n *\});", (WIDGET / name).read_text(), re.DOTALL)
        assert found, name
        built_in |= json.loads(found[1])
    assert sorted(built_in.items()) == sorted(english().items())
    gaps = {key: set(re.findall(r"\{\w+\}", text)) for key, text in english().items()}
    for path in (WIDGET / "locales").glob("*.json"):
        messages = json.loads(path.read_text())
        assert {key: set(re.findall(r"\{\w+\}", text)) for key, text in messages.items()} == gaps, (
            path.name
        )


def test_every_message_is_used() -> None:
    scripts = [path for path in WIDGET.glob("*.js") if path.name != "words.js"]
    code = "".join(path.read_text() for path in scripts)
    code = re.sub(r"const ENGLISH = \{.*?\n  \};", "", code, flags=re.DOTALL)
    for key in english():
        stem = re.sub(r"\.(one|other)$", "", key)
        # by what the app says
        is_used = f'"{stem}"' in code or stem.startswith(("error.", "why.", "way.", "kind."))
        is_used |= stem.startswith("beside.")
        assert is_used, key


# keyboard, screen reader, eyes


@pytest.mark.browser
async def test_the_dialog_is_named_takes_the_focus_keeps_it_and_gives_it_back(
    shop: FakeShop,
) -> None:
    page = await shop.visit()
    launcher = page.locator(".launcher")
    await launcher.focus()
    assert await launcher.get_attribute("aria-haspopup") == "dialog"
    await page.keyboard.press("Enter")
    panel = page.get_by_role("dialog", name="Your balance")
    await expect(panel).to_be_visible()
    assert await launcher.get_attribute("aria-expanded") == "true"
    close = panel.get_by_role("button", name="Close rewards")
    await expect(close).to_be_focused()
    await page.keyboard.press("Shift+Tab")
    await expect(panel.get_by_role("button", name="Show history")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(close).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(launcher).to_be_focused()
    # with the close event, a moment after it hides
    await expect(launcher).to_have_attribute("aria-expanded", "false")


@pytest.mark.browser
async def test_a_click_beside_the_dialog_closes_it(shop: FakeShop) -> None:
    page, panel = await shop.open()
    await page.mouse.click(10, 10)
    await expect(panel).to_be_hidden()


@pytest.mark.browser
async def test_every_text_has_enough_contrast(shop: FakeShop) -> None:
    shop.give_code()
    shop.mine["points"]["source"] = "cached"
    page, panel = await shop.open()
    await panel.get_by_role("button", name="Redeem $5.00 off").click()
    for selector in (
        ".launcher",
        "h2",
        ".total",
        ".side",
        ".next",
        ".behind",
        "h3",
        "b",
        "small",
        ".main",
        ".plain",
        ".code",
    ):
        for element in await page.locator(f"holdfast-widget {selector}").all():
            if await element.is_visible():
                assert await element.evaluate(CONTRAST) >= 4.5, selector


@pytest.mark.browser
async def test_nothing_moves_for_who_wants_it_still(shop: FakeShop) -> None:
    page, _ = await shop.open(reduced_motion="reduce")
    running = "document.querySelector('holdfast-widget').shadowRoot.getAnimations().length"
    assert await page.evaluate(running) == 0


@pytest.mark.browser
async def test_on_a_phone_it_fits_the_screen_and_its_targets_are_large_enough(
    shop: FakeShop,
) -> None:
    shop.give_code()
    page, panel = await shop.open(viewport={"width": 320, "height": 560})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    box = await panel.bounding_box()
    assert box
    assert (box["x"], box["width"]) == (0, 320)
    for button in await panel.get_by_role("button").all():
        size = await button.bounding_box()
        assert size
        assert round(size["height"]) >= 40
