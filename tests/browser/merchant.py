"""The merchant's browser: a tab on the app as the stand-in admin frames it."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Frame, FrameLocator, Page, expect, sync_playwright

from tests.stack import Stack

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
POLARIS = re.compile(r"/polaris\.js")


@contextmanager
def chromium() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("There is no chromium, and REQUIRE_BROWSER=1 asks for one.")
        pytest.skip("There is no chromium on this machine.")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@contextmanager
def tab(browser: Browser) -> Iterator[Page]:
    """A tab without the CDN, which is out of reach; no script of a page may fail."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(10_000)
    failed: list[str] = []
    opened.on("pageerror", lambda error: failed.append(str(error)))
    opened.route(POLARIS, lambda route: route.abort())
    yield opened
    context.close()
    assert failed == [], f"scripts failed: {failed}"


def open_admin(page: Page, stack: Stack, path: str = "/") -> FrameLocator:
    page.goto(f"{stack.store_url}/store/alice?path={path}", wait_until="domcontentloaded")
    app = page.frame_locator("iframe")
    # a test is faster than any hand, and must wait for htmx
    expect(app.locator("[data-htmx-powered]").first).to_be_attached()
    return app


def frame_of(page: Page, stack: Stack) -> Frame:
    """The app's own document in the tab."""
    return next(frame for frame in page.frames if frame.url.startswith(stack.app_url))
