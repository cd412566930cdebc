"""The appearance page in a browser: the widget beside it follows what is typed, and what is saved
is what a storefront shows.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, FrameLocator, expect

from tests.browser.merchant import RENDERINGS, chromium, open_admin, tab
from tests.stack import SHOP, Stack

pytestmark = pytest.mark.long
COLOUR = "(one) => getComputedStyle(one).backgroundColor"
TYPE = """(one, value) => {
  one.value = value;
  one.dispatchEvent(new Event("input", { bubbles: true, composed: true }));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def launcher(app: FrameLocator) -> FrameLocator:
    return app.frame_locator("iframe.preview-button")


@pytest.mark.parametrize("rendering", RENDERINGS)
def test_the_preview_follows_what_is_typed_and_only_what_is_saved_reaches_the_store(
    browser: Browser, stack: Stack, rendering: str
) -> None:
    with tab(browser, rendering) as page:
        app = open_admin(page, stack, "/appearance")
        button = launcher(app).locator(".launcher")
        panel = app.frame_locator("iframe.preview-panel").get_by_role("dialog")
        expect(button).to_be_visible()
        expect(panel).to_contain_text("240 points")

        app.locator("[name='accent']").evaluate(TYPE, "#ffee00")
        expect(app.locator("#tried")).to_contain_text("Buttons hardly stand out")
        expect(button).to_have_css("background-color", "rgb(255, 238, 0)")
        app.get_by_role("button", name="Use #").click()
        expect(app.locator("#tried")).not_to_contain_text("Buttons hardly stand out")
        expect(button).not_to_have_css("background-color", "rgb(255, 238, 0)")

        app.locator("[name='text:launcher']").first.evaluate(TYPE, "Tea points")
        expect(button).to_have_text("Tea points 240 points")
        page.wait_for_timeout(6_000)  # the page asks for what is new; what was typed stays
        expect(button).to_have_text("Tea points 240 points")
        assert app.locator("[name='accent']").evaluate("(one) => one.value") != "#1d1d26"

        app.get_by_role("button", name="Save appearance").click()
        expect(page.get_by_text("Saved. Your store shows it")).to_be_visible()
    with tab(browser) as page:
        page.goto(f"{stack.store_url}/shops/{SHOP}/")
        shown = page.locator("holdfast-widget .launcher")
        expect(shown).to_be_visible()
        assert shown.evaluate(COLOUR) not in {"rgb(29, 29, 38)", "rgb(255, 238, 0)"}
        expect(shown).to_contain_text("Rewards")  # the texts were not saved
