"""The widget with the longest names and figures there may be, on small screens and zoomed."""

from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.browser.fake_shop import FakeShop

pytestmark = pytest.mark.long

TITLES = {
    "words": ("Earl Grey by the pot " * 13)[:255],
    "one word": "W" * 255,
    "right to left": "שובר מתנה לחנות התה של אליס (100₪) " * 7,
    "emoji": "\N{TEACUP WITHOUT HANDLE}\N{FAMILY}" * 127,
}
# whatever is wider than its box, or stands outside the panel
CUT = """(panel) => {
  const outer = panel.getBoundingClientRect();
  const name = (one) => `${one.localName}.${one.className} ${one.textContent.slice(0, 40)}`;
  const cut = [];
  for (const one of [panel, ...panel.querySelectorAll("*")]) {
    const box = one.getBoundingClientRect();
    if (one.closest("svg, .say, .track") || !box.width) continue;
    if (one.scrollWidth > one.clientWidth + 1 && one.clientWidth) cut.push(`wide ${name(one)}`);
    if (box.left < outer.left - 1 || box.right > outer.right + 1) cut.push(`out ${name(one)}`);
  }
  return cut;
}"""
# of lines that end before their text does, every way a style can do that
CLIPPED = """(panel) => [...panel.querySelectorAll("*")].filter((one) => {
  const style = getComputedStyle(one);
  const scrolls = ["auto", "scroll"].includes(style.overflowY);
  const hides = style.overflowY === "hidden" && !scrolls;
  return !one.closest("svg, .say, .track")
    && (style.textOverflow === "ellipsis" || (hides && one.scrollHeight > one.clientHeight + 1));
}).map((one) => one.className)"""


def fill(shop: FakeShop, title: str) -> None:
    me = shop.mine
    figures = {"available": 9_876_543, "pending": 1_234_567, "held": 7_654_321, "debt": 1_234_567}
    me["points"] |= {**figures, "source": "cached"}
    costs = (100, 9_999_999)
    me["rewards"] = [
        {"id": str(cost), "title": title, "cost": cost, "amount_off": "5.00", "currency": "USD"}
        for cost in costs
    ]
    made = {"state": "captured", "code": "HF-" + "7K2M" * 7, "title": title, "points": 100}
    me["codes"] = [{**made, "id": "c1"}, {**made, "id": "c2", "state": "held", "code": ""}]
    me["coming"] = [{"on": "2031-09-30", "points": 1_234_567}]
    me["ending"] = [{"on": "2031-09-30", "points": 9_876_543}]
    fill_the_programme(me, title)
    row = {"points": 9_876_543, "order": "#" + "9" * 63, "reward": title, "why": title}
    days = {"on": "2030-09-30", "until": "2031-09-30", "at": "2030-09-30T00:00:00Z"}
    rows = [
        {**row, **days, "kind": kind, "change": change}
        for kind, change in (
            ("earned", 0),
            ("redeemed", -9_876_543),
            ("owed", 0),
            ("new", 9_876_543),
        )
    ]
    shop.pages["/history"] = (200, {"history": rows, "next": ""})


def fill_the_programme(me: dict[str, Any], title: str) -> None:
    """Tier, campaigns, ways and the referral link with names that are as long."""
    have = {"measure": "points", "have": 1, "want": 9_876_543}
    me["tier"] = {"id": "1", "name": title, "icon": "\N{SPORTS MEDAL}", "perks": [title]} | {
        "next": {"name": title, **have},
        "keeps": {"until": "2031-09-30", **have},
    }
    me["tiers"] = [{"id": "2", "name": title, "threshold": 9_876_543} | {"measure": "points"}]
    me["campaigns"] = [{"id": "1", "name": title, "text": title, "effect": "add", "value": "999"}]
    follow = {"kind": "follow", "id": "f", "title": title, "points": 9_876_543, "state": "open"}
    me["ways_to_earn"] += [
        {**follow, "url": "https://social.example/"},
        {**follow, "id": "b", "kind": "birthday", "state": "done"},
    ]
    me["birthday"] = {"month_day": "09-30", "can_edit": True, "editable_from": None}
    link = "https://alice.example/" + "r7K2M" * 40
    me["referral"] = {"url": link, "status": "ready", "offer": {"friend": title, "advocate": title}}
    me["referral"]["counts"] = {"waiting": 9_876_543, "completed": 1_234_567}
    me["rewards"][0] |= {"icon": "\N{TEACUP WITHOUT HANDLE}", "text": title}
    me["rewards"][0]["conditions"] = {"minimum_subtotal": "9876543.21", "tiers": [title, title]}


async def show_everything(panel: Locator) -> None:
    await panel.locator("[data-key='more:history']").click()
    await expect(panel.locator(".past li")).to_have_count(4)
    await panel.locator("[data-key='redeem:100']").click()
    await panel.locator("[data-key='confirm']").wait_for()


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize(
    ("width", "height", "zoom"),
    [(320, 560, 1), (390, 844, 3), (640, 800, 1), (1280, 720, 1), (640, 360, 2), (320, 256, 4)],
)
@pytest.mark.parametrize("locale", ["en", "de"])
async def test_nothing_is_cut_and_nothing_scrolls_sideways(
    shop: FakeShop, title: str, width: int, height: int, zoom: int, locale: str
) -> None:
    """A window of 1280 px at 200 % is 640 px wide and half as high, with twice the dots."""
    shop.locale = locale
    fill(shop, TITLES[title])
    page, panel = await shop.open(
        viewport={"width": width, "height": height}, device_scale_factor=zoom
    )
    await show_everything(panel)
    assert await panel.evaluate(CUT) == []
    assert await panel.evaluate(CLIPPED) == []
    sideways = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await page.evaluate(sideways) <= 0
    box: Any = await panel.bounding_box()
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= height + 0.5
    await panel.locator(".past li").last.scroll_into_view_if_needed()
    await expect(panel.locator(".past li").last).to_be_in_viewport()
    await page.keyboard.press("Escape")
    launcher: Any = await page.locator(".launcher").bounding_box()
    assert launcher["x"] >= 0
    assert launcher["x"] + launcher["width"] <= width
    assert [one for one in await page.evaluate("shifts") if not one["recent"]] == []


async def test_it_stays_where_it_is_while_the_app_tells_more(shop: FakeShop) -> None:
    page, panel = await shop.open()
    await page.wait_for_timeout(400)
    before = await panel.bounding_box()
    fill(shop, TITLES["words"])
    await expect(panel.locator(".total")).to_have_text("9,876,543 points", timeout=12_000)
    assert await panel.bounding_box() == before
    assert [one for one in await page.evaluate("shifts") if not one["recent"]] == []


async def test_a_name_from_right_to_left_does_not_turn_the_sentence_round(shop: FakeShop) -> None:
    fill(shop, TITLES["right to left"])
    _, panel = await shop.open()
    text = await panel.locator(".next").inner_text()
    assert text.startswith("123,456 points to \u2068")
    assert text.endswith("\u2069")
