"""Tiers in Chromium: who would be where while it is typed, in both renderings, and what axe and a
phone find.
"""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.browser.merchant import DRAWN, RENDERINGS, chromium, open_admin, open_alone, tab
from tests.browser.states import post
from tests.stack import Stack

pytestmark = pytest.mark.long
WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.mark.parametrize("rendering", RENDERINGS)
def test_a_merchant_sees_who_would_be_where_before_saving(
    browser: Browser, stack: Stack, rendering: str
) -> None:
    bob = stack.customer()
    stack.order(bob, "120.00")
    with tab(browser, rendering) as page:
        app = open_admin(page, stack, "/tiers")
        if app.get_by_text("Give your best customers a reason to stay").count():
            app.get_by_role("button", name="Save tiers").click()
            expect(app.get_by_text("In force")).to_be_visible()
        expect(app.locator("#progress")).to_have_count(0, timeout=15_000)
        app.get_by_label("From", exact=True).nth(1).fill("100000")
        expect(app.locator("#what-if")).to_contain_text("Give thresholds, each higher")
        app.get_by_label("From", exact=True).nth(2).fill("200000")
        expect(app.locator("#what-if")).to_contain_text("Gold 0 · 0%")


@pytest.mark.parametrize("rendering", RENDERINGS)
def test_no_page_of_tiers_has_a_violation_or_is_wider_than_its_window(
    browser: Browser, stack: Stack, rendering: str
) -> None:
    bob = stack.customer()
    stack.order(bob, "520.00")
    stack.wait_for_points(bob, 520)
    post(stack, "/tiers/gold/perks", {"perks": "A tasting box", "icon": "🥇"})
    wrong = {}
    for path in ("/tiers", f"/customers/{bob}"):
        for width in WIDTHS:
            with tab(browser, rendering) as page:
                page.set_viewport_size({"width": width, "height": 900})
                open_alone(page, stack, path)
                expect(page.locator(DRAWN)).to_be_attached()
                page.wait_for_timeout(700)  # a fade is no contrast
                over = page.evaluate(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                )
                ids = [each["id"] for each in Axe().run(page).response["violations"]]
                if over or ids:
                    wrong[path, width] = (over, ids)
    assert wrong == {}
