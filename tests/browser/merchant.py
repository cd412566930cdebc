"""The merchant's browser: a tab on the app as the stand-in admin frames it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from playwright.sync_api import Browser, Frame, FrameLocator, Page, Route, expect, sync_playwright

from tests import polaris
from tests.browser.chromium import ARGUMENTS, executable
from tests.stack import SHOP, Stack

POLARIS = re.compile(r"/polaris\.js")
RENDERINGS = ("polaris", "native")
# in both renderings
ROW = ":is(tbody tr, s-table-body s-table-row)"
DRAWN = ":is(s-page:defined, .page)"


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        yield started
        started.close()


@contextmanager
def tab(browser: Browser, rendering: str = "polaris") -> Iterator[Page]:
    """A tab in which the stand-in for Polaris comes at once, or Polaris is refused; no script of a
    page may fail.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    failed: list[str] = []
    opened.on("pageerror", lambda error: failed.append(str(error)))
    opened.route(POLARIS, come if rendering == "polaris" else lambda route: route.abort())
    yield opened
    context.close()
    assert failed == [], f"scripts failed: {failed}"


def come(route: Route) -> None:
    route.fulfill(content_type="text/javascript", body=polaris.stand_in())


def open_admin(page: Page, stack: Stack, path: str = "/") -> FrameLocator:
    page.goto(f"{stack.store_url}/store/alice?path={path}", wait_until="domcontentloaded")
    app = page.frame_locator("iframe")
    expect(app.locator(DRAWN)).to_be_attached(timeout=10_000)
    # a test is faster than any hand, and must wait for htmx
    expect(app.locator("[data-htmx-powered]").first).to_be_attached()
    return app


def open_alone(page: Page, stack: Stack, path: str) -> None:
    """A page without the admin around it, so that the window is its own."""
    token = stack.control("GET", f"shops/{SHOP}/id-token")["id_token"]
    query = urlencode({"id_token": token, "shop": SHOP, "embedded": "1"})
    between = "&" if "?" in path else "?"
    page.goto(f"{stack.app_url}{path}{between}{query}", wait_until="domcontentloaded")


def frame_of(page: Page, stack: Stack) -> Frame:
    """The app's own document in the tab."""
    return next(frame for frame in page.frames if frame.url.startswith(stack.app_url))
