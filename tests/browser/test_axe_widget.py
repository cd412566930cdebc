"""What axe finds in the states of the widget: nothing, of any level."""

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Locator, Page, expect

from app.core.looks import reads
from app.core.looks.views import Look
from tests.browser.fake_shop import FakeShop
from tests.browser.test_widget_programme import everything

pytestmark = pytest.mark.long


async def violations(page: Page) -> list[str]:
    """Of the widget, whatever the shop's own page does wrong."""
    await page.wait_for_timeout(400)  # a fade is no contrast
    found = (await Axe().run(page, context="holdfast-widget")).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:200]}"
        for one in found
        for node in one["nodes"]
    ]


async def test_the_closed_launcher_has_no_violation(shop: FakeShop) -> None:
    page = await shop.visit()
    await page.locator(".launcher").wait_for()
    assert await violations(page) == []


async def _opened(_page: Page, _panel: Locator) -> None:
    pass


async def _asked_to_confirm(_page: Page, panel: Locator) -> None:
    await panel.get_by_role("button", name="Redeem $5.00 off").click()
    await panel.get_by_role("button", name="Get my code").wait_for()


async def _redeemed(page: Page, panel: Locator) -> None:
    await _asked_to_confirm(page, panel)
    await panel.get_by_role("button", name="Get my code").click()
    await expect(panel.locator("[aria-busy=true]")).to_have_count(0)


async def _told_why_not(page: Page, panel: Locator) -> None:
    await _redeemed(page, panel)
    await expect(panel.get_by_role("alert")).to_be_visible()


async def _history(_page: Page, panel: Locator) -> None:
    await panel.locator("[data-key='more:history']").click()
    await expect(panel.locator("[aria-busy=true]")).to_have_count(0)


def _nothing(_shop: FakeShop) -> None:
    pass


def _guest(shop: FakeShop) -> None:
    none = {"available": 0, "pending": 0, "held": 0, "as_of": None, "source": "unavailable"}
    shop.mine.update(customer_id=None, points=none)


def _code(shop: FakeShop) -> None:
    shop.give_code()


def _code_to_come(shop: FakeShop) -> None:
    shop.give_code("held")


def _refused(shop: FakeShop) -> None:
    shop.redemption = (422, {"error": {"code": "insufficient_points", "message": "Too few."}})


def _old_and_owing(shop: FakeShop) -> None:
    shop.mine["points"] |= {"source": "cached", "available": 0, "debt": 30}
    shop.mine["ending"] = [{"on": "2031-05-03", "points": 120}]
    shop.mine["coming"] = [{"on": "2031-04-01", "points": 40}]


def _paused(shop: FakeShop) -> None:
    notice = "The program is paused. Your points are safe."
    shop.mine.update(rewards=[], ways_to_earn=[], notices=[notice])


def _past(shop: FakeShop) -> None:
    row: dict[str, Any] = {"kind": "earned", "change": 49, "points": 49, "order": "#1001"}
    row |= {"on": "2030-09-30", "until": "2031-09-30", "at": "2030-09-30T00:00:00Z"}
    row |= {"reward": "", "why": "$49.90 of merchandise"}
    shop.pages["/history"] = (200, {"history": [row], "next": ""})


def _everything(shop: FakeShop) -> None:
    everything(shop)


def _everything_on_dark(shop: FakeShop) -> None:
    everything(shop)
    shop.give_code()
    dark = Look(accent="#ffd400", text="#e0e0e0", background="#101014", corner="start")
    shop.mine["appearance"] = reads.shown(dark)


def _chosen_colours_at_their_limit(shop: FakeShop) -> None:
    everything(shop)
    shop.mine["appearance"] = reads.shown(Look(accent="#767676", text="#767676"))


async def _choosing(_page: Page, panel: Locator) -> None:
    await panel.get_by_role("button", name="Redeem Your own sum").click()
    await panel.get_by_role("spinbutton").wait_for()


def _german(shop: FakeShop) -> None:
    shop.locale = "de"


def _from_right_to_left(shop: FakeShop) -> None:
    shop.direction = "rtl"


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize(
    ("prepare", "act"),
    [
        (_nothing, _opened),
        (_guest, _opened),
        (_code, _opened),
        (_nothing, _asked_to_confirm),
        (_code, _redeemed),
        (_code_to_come, _redeemed),
        (_refused, _told_why_not),
        (_old_and_owing, _opened),
        (_paused, _opened),
        (_past, _history),
        (_nothing, _history),
        (_german, _opened),
        (_everything, _opened),
        (_everything, _choosing),
        (_everything_on_dark, _opened),
        (_chosen_colours_at_their_limit, _opened),
        (_from_right_to_left, _opened),
    ],
)
async def test_no_state_of_the_open_widget_has_a_violation(
    shop: FakeShop, prepare: Any, act: Any, width: int
) -> None:
    prepare(shop)
    page, panel = await shop.open(viewport={"width": width, "height": 800})
    await act(page, panel)
    assert await violations(page) == []
