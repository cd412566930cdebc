"""Polaris by default, plain HTML where it does not come: nothing moves, nothing is lost, everything
can be used.
"""

import re
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.merchant import DRAWN, POLARIS, chromium, come, frame_of, open_admin, tab
from tests.stack import SHOP, Stack

pytestmark = pytest.mark.long  # a browser for each of its widths and ways

OTHER_ARRIVALS = (("at once", 390), ("late", 1280), ("refused", 390))
LATE_MILLISECONDS = 1000
# every move that nobody caused, as Chromium counts them for CLS
WATCH = """
window.moved = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) {
    const nodes = one.sources.map((it) => it.node?.outerHTML?.slice(0, 80));
    if (!one.hadRecentInput) window.moved.push([one.value, nodes]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""
PATHS = ("/", "/customers", "/program", "/health")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def refused(route: Route) -> None:
    route.abort()


def never(_route: Route) -> None:
    """It is held for as long as the page waits."""


def open_alone(page: Page, stack: Stack, path: str) -> None:
    token = stack.control("GET", f"shops/{SHOP}/id-token")["id_token"]
    query = urlencode({"id_token": token, "shop": SHOP})  # not embedded: with a menu of its own
    page.goto(f"{stack.app_url}{path}?{query}", wait_until="commit")


@pytest.mark.parametrize(
    ("arrives", "width"),
    [
        ("at once", 1280),
        ("late", 390),
        ("refused", 1280),
        *(pytest.param(*other, marks=pytest.mark.long) for other in OTHER_ARRIVALS),
    ],
)
def test_nothing_moves_whenever_polaris_comes(
    browser: Browser, stack: Stack, arrives: str, width: int
) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    with tab(browser) as page:
        page.unroute(POLARIS)
        page.route(POLARIS, {"at once": come, "late": hold, "refused": refused}[arrives])
        page.set_viewport_size({"width": width, "height": 900})
        page.add_init_script(WATCH)
        for path in PATHS:
            open_alone(page, stack, path)
            if arrives == "late":
                # what is there can be read meanwhile
                expect(page.locator("s-page:not(:defined) s-section").first).to_be_visible()
                page.wait_for_timeout(LATE_MILLISECONDS)
                come(held.pop())
            expect(page.locator(DRAWN)).to_be_visible()
            page.wait_for_timeout(300)
            assert page.evaluate("window.moved") == [], path


def test_where_polaris_never_comes_the_page_turns_native_and_stays_it_and_saves(
    browser: Browser, stack: Stack
) -> None:
    with tab(browser) as page:
        page.unroute(POLARIS)
        page.route(POLARIS, never)
        began = time.monotonic()
        app = open_admin(page, stack, "/program")
        assert 2.4 < time.monotonic() - began < 10
        assert "rendering=native" in frame_of(page, stack).url
        expect(app.locator("s-page")).to_have_count(0)
        app.get_by_label("Hold points back for").fill("0")
        app.get_by_role("button", name="Save rules").click()
        expect(app.locator("#message")).to_be_visible()
        expect(app.locator(".page")).to_be_visible()
        app.get_by_role("link", name="Preview as a shopper").click()
        expect(app.get_by_role("heading", name="Preview as a shopper")).to_be_visible()
        expect(app.locator("s-page")).to_have_count(0)
        # the menu of admin leads to addresses of its own: the next document knows without waiting
        began = time.monotonic()
        page.locator("#app-menu a", has_text="Customers").click()
        expect(app.locator(".page")).to_be_visible()
        expect(app.get_by_role("heading", name="Customers", exact=True)).to_be_visible()
        assert time.monotonic() - began < 2.4


def test_a_form_sends_each_field_once_in_both(browser: Browser, stack: Stack) -> None:
    sent = []
    for rendering in ("polaris", "native"):
        with tab(browser, rendering) as page:
            app = open_admin(page, stack, "/program")
            app.get_by_label("Hold points back for").fill("0")
            with page.expect_request(re.compile(r"/program/edit")) as posted:
                app.get_by_role("button", name="Save rules").click()
            sent.append(sorted((posted.value.post_data or "").split("&")))
            expect(app.locator("#message")).to_be_visible()
    names = [[one.partition("=")[0] for one in fields] for fields in sent]
    assert names[0] == names[1]
    assert len(names[0]) == len({*names[0]})
    assert {"rate", "rounding", "pending_days", "expiry_days", "clawback", "returns"} <= {*names[0]}


def test_without_scripts_a_page_can_be_read(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    open_alone(page, stack, "/program")
    expect(page.get_by_text("Orders earn points, and shoppers can use them")).to_be_visible()
    expect(page.get_by_text("As much as the customer still has").first).to_be_visible()
    context.close()


def test_products_can_be_picked_whenever_polaris_is_refused(browser: Browser, stack: Stack) -> None:
    def refused_late(route: Route) -> None:
        time.sleep(LATE_MILLISECONDS / 1_000)  # the scripts of the page have run
        route.abort()

    with tab(browser) as page:
        page.unroute(POLARIS)
        page.route(POLARIS, refused_late)
        app = open_admin(page, stack, "/rewards/new?kind=free_product")
        expect(app.locator(".page")).to_be_visible()
        expect(app.get_by_role("button", name="Choose products")).to_be_visible()
