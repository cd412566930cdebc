"""Campaigns in Chromium: from a template to one that runs, in both renderings, and what axe and a
phone find.
"""

import re
import uuid
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FrameLocator, expect

from tests.browser.merchant import DRAWN, RENDERINGS, chromium, open_admin, open_alone, tab
from tests.browser.states import post
from tests.stack import Stack

pytestmark = pytest.mark.long
WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(autouse=True)
def _others_earn_as_ever(stack: Stack) -> Iterator[None]:
    """The campaigns of a test end with it: the stack is everybody's."""
    yield
    for state in ("running", "scheduled", "paused"):
        page = stack.open_admin(f"/campaigns?state={state}").text
        for one in set(re.findall(r"/campaigns/[0-9a-f-]{36}(?=[?\"])", page)):
            post(stack, f"{one}/state", {"state": "ended"})


def launch_from_a_template(app: FrameLocator, name: str) -> None:
    app.get_by_role("link", name=re.compile("Use the template Spend more")).or_(
        app.get_by_role("button", name=re.compile("Use the template Spend more"))
    ).first.click()
    expect(app.get_by_text("Orders of at least $100.00")).to_be_visible()
    app.get_by_label("Name", exact=True).fill(name)
    app.get_by_label("What it is for").select_option("nth_order")
    expect(app.get_by_label("Which order of a customer")).to_be_visible()
    app.get_by_label("Which order of a customer").fill("3")
    app.get_by_label("Points", exact=True).fill("75")
    expect(
        app.get_by_text(re.compile("3rd order, if placed .* earns 75 points more"))
    ).to_be_visible()
    app.get_by_role("button", name="Save as a draft").click()
    expect(app.get_by_text("Saved as a draft.")).to_be_visible()
    app.get_by_role("button", name="Launch").click()
    app.get_by_role("button", name="Yes, go on").click()
    expect(app.get_by_text("It is live: it counts")).to_be_visible()


@pytest.mark.parametrize("rendering", RENDERINGS)
def test_a_merchant_makes_one_from_a_template_and_launches_it(
    browser: Browser, stack: Stack, rendering: str
) -> None:
    name = f"Third {uuid.uuid4().hex[:6]}"
    with tab(browser, rendering) as page:
        app = open_admin(page, stack, "/campaigns")
        launch_from_a_template(app, name)
        app.get_by_role("button", name="Pause").click()
        app.get_by_role("button", name="Yes, go on").click()
        expect(app.get_by_text("Paused: it gives nothing")).to_be_visible()
        app = open_admin(page, stack, "/campaigns")
        app.get_by_label("Search campaigns").press_sequentially(name.lower(), delay=10)
        expect(app.get_by_role("link", name=name)).to_be_visible()


@pytest.mark.parametrize("rendering", RENDERINGS)
def test_no_page_of_campaigns_has_a_violation_or_is_wider_than_its_window(
    browser: Browser, stack: Stack, rendering: str
) -> None:
    with tab(browser, rendering) as page:
        app = open_admin(page, stack, "/campaigns")
        launch_from_a_template(app, f"Third {uuid.uuid4().hex[:6]}")
        found = re.search(r"/campaigns/[0-9a-f-]{36}", stack.open_admin("/campaigns").text)
        assert found
    wrong = {}
    one = found[0]
    for path in ("/campaigns", "/campaigns/new", one, f"{one}/edit", "/campaigns/calendar"):
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
