"""Referrals in Chromium: a friend claims in the storefront, a merchant decides, and what axe and a
phone find.
"""

import re
import uuid
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.browser.merchant import DRAWN, RENDERINGS, chromium, open_admin, open_alone, tab
from tests.faults.test_referrals_down import claim, let_hours_pass, link_of, new_member
from tests.stack import SHOP, Stack

pytestmark = pytest.mark.long
WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def link(stack: Stack) -> str:
    stack.install()
    let_hours_pass(stack)
    return link_of(stack, new_member(stack))


def test_a_friend_follows_the_link_claims_and_buys_with_the_code(
    browser: Browser, stack: Stack, link: str
) -> None:
    with tab(browser) as page:
        page.goto(f"{stack.store_url}/shops/{SHOP}/apps/holdfast/r/{link}")
        page.get_by_label("Your e-mail address").fill("not an address@x")
        page.get_by_label("Your e-mail address").fill(f"{uuid.uuid4().hex[:8]}@example.org")
        assert page.locator("#holdfast-device").input_value() != ""
        page.get_by_role("button", name="Get my code").click()
        for _ in range(10):  # Shopify may take a moment longer than a shopper waits
            if page.locator("#holdfast-code").count():
                break
            page.wait_for_timeout(1000)
            page.get_by_role("button", name="Look again").click()
        code = page.locator("#holdfast-code").inner_text()
        assert Axe().run(page).response["violations"] == []
        page.get_by_role("link", name="Use it and look around").click()
        page.goto(f"{stack.store_url}/shops/{SHOP}/")
        page.get_by_role("button", name="Add to cart").first.click()
        page.goto(f"{stack.store_url}/shops/{SHOP}/checkout")
        expect(page.get_by_text(code).first).to_be_visible()


@pytest.mark.parametrize("rendering", RENDERINGS)
def test_a_merchant_looks_at_an_odd_one_and_decides(
    browser: Browser, stack: Stack, link: str, rendering: str
) -> None:
    email = f"{uuid.uuid4().hex[:8]}@mailinator.com"
    claim(stack, link, email)
    with tab(browser, rendering) as page:
        app = open_admin(page, stack, "/referrals/queue")
        app.get_by_label("Search the queue").fill(email)
        app.get_by_role("button", name="Search").click()
        expect(app.get_by_text(email)).to_be_visible()
        app.get_by_role("link", name="Open referral").or_(
            app.get_by_role("button", name="Open referral")
        ).first.click()
        expect(app.get_by_text("mailbox is one that ends by itself").first).to_be_visible()
        app.get_by_text("Let it go on").click()
        app.get_by_label("Why").fill("A regular of the shop in town")
        app.get_by_role("button", name="Save decision").click()
        expect(app.get_by_text("Allowed: A regular of the shop in town")).to_be_visible()


@pytest.mark.parametrize("rendering", RENDERINGS)
def test_no_page_of_referrals_has_a_violation_or_is_wider_than_its_window(
    browser: Browser, stack: Stack, link: str, rendering: str
) -> None:
    claim(stack, link, f"{uuid.uuid4().hex[:8]}@mailinator.com")
    found = re.search(r"/referrals/(\d+)", stack.open_admin("/referrals").text)
    assert found
    newest = found[1]
    storefront = f"{stack.store_url}/shops/{SHOP}/apps/holdfast/r/{link}"
    wrong = {}
    paths = ("/referrals", "/referrals/queue", f"/referrals/{newest}", "/referrals/settings")
    for path in (*paths, storefront):
        for width in WIDTHS:
            with tab(browser, rendering) as page:
                page.set_viewport_size({"width": width, "height": 900})
                if path == storefront:
                    page.goto(path)
                else:
                    open_alone(page, stack, path)
                    expect(page.locator(DRAWN)).to_be_attached()
                page.wait_for_timeout(700)  # a fade is no contrast
                over = page.evaluate(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                )
                said = Axe().run(page).response["violations"]
                ids = [(each["id"], each["nodes"][0]["html"][:120]) for each in said]
                if over or ids:
                    wrong[path, width] = (over, ids)
    assert wrong == {}
