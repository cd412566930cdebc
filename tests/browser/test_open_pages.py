"""A page that stays open: it follows what happens, keeps what is typed, and says what it did."""

import re
import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.browser.merchant import RENDERINGS, ROW, chromium, frame_of, open_admin, tab
from tests.stack import Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.long

HTMX = re.compile(r"/vendor/htmx")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(params=RENDERINGS)
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    with tab(browser, request.param) as opened:
        yield opened


def buyer(stack: Stack, name: str) -> str:
    customer_id = stack.customer(name)
    stack.order(customer_id, "49.90")
    stack.wait_for_points(customer_id, 49)
    return customer_id


def available(app: FrameLocator):
    return app.locator(".figure", has_text="Available").locator("dd")


def test_figures_follow_while_what_is_typed_stays(page: Page, stack: Stack) -> None:
    bob = buyer(stack, "Typist")
    app = open_admin(page, stack, f"/customers/{bob}")
    app.get_by_label("Reason").fill("half a sen")
    stack.order(bob, "51.00")
    expect(available(app)).to_contain_text("100", timeout=15_000)
    expect(app.get_by_label("Reason")).to_have_value("half a sen")
    expect(app.get_by_label("Reason")).to_be_focused()


def test_what_cannot_be_reached_is_said_with_its_time_and_no_longer_than_it_lasts(
    page: Page, stack: Stack
) -> None:
    app = open_admin(page, stack, "/customers")
    away = app.get_by_text(re.compile(r"What you see is as of \d\d:\d\d"))
    expect(away).to_have_count(0)
    page.route(re.compile(r"/customers"), lambda route: route.abort())
    expect(app.get_by_text("We cannot reach Holdfast")).to_be_visible(timeout=15_000)
    expect(away).to_be_visible()
    page.unroute(re.compile(r"/customers"))
    expect(away).to_have_count(0, timeout=30_000)


def test_a_tab_nobody_looks_at_asks_seldom_and_at_once_when_it_is_looked_at(
    page: Page, stack: Stack
) -> None:
    open_admin(page, stack, "/health")
    frame = frame_of(page, stack)
    asked: list[int] = []
    page.on(
        "response",
        lambda answer: asked.append(answer.status) if "/health" in answer.url else None,
    )
    wait_for("it polls, and is told that nothing is new", lambda: _wait(page) and 304 in asked, 20)
    frame.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", { get: () => window.isHidden });
            window.isHidden = true;
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    page.wait_for_timeout(500)
    asked.clear()
    page.wait_for_timeout(6_000)
    assert asked == []
    frame.evaluate(
        "() => { window.isHidden = false; document.dispatchEvent(new Event('visibilitychange')); }"
    )
    page.wait_for_timeout(1_500)
    assert asked


def _wait(page: Page) -> bool:
    page.wait_for_timeout(200)  # its events come only while the page is waited for
    return True


def test_two_tabs_show_both_and_neither_reverts_the_other(browser: Browser, stack: Stack) -> None:
    with tab(browser) as one, tab(browser) as two:
        first, second = (open_admin(each, stack, "/program") for each in (one, two))
        second.get_by_label("Points expire after").fill("365")
        first.get_by_label("Hold points back for").fill("7")
        first.get_by_role("button", name="Save rules").click()
        expect(first.get_by_text("Saved. It counts for orders")).to_be_visible()
        second.get_by_role("button", name="Save rules").click()
        conflict = second.locator(".conflict")
        expect(conflict).to_contain_text("Points expire after, days")
        expect(conflict).to_contain_text("Hold points back for, days")
        expect(second.get_by_label("Points expire after")).to_have_value("365")
        second.get_by_role("link", name="take what was saved").click()
        expect(second.get_by_label("Hold points back for")).to_have_value("7")
        second.get_by_label("Hold points back for").fill("0")
        second.get_by_role("button", name="Save rules").click()
        expect(second.get_by_text("Saved. It counts for orders")).to_be_visible()


def test_ten_fast_clicks_add_one_reward(page: Page, stack: Stack) -> None:
    app = open_admin(page, stack, "/rewards/new?kind=amount_off")
    form = app.locator("form", has=app.get_by_role("button", name="Add reward"))
    name = f"Clicked often {uuid.uuid4().hex[:6]}"
    form.get_by_label("Name").fill(name)
    form.get_by_label("Costs").fill("321")
    form.get_by_label("Takes off").fill("3.21")
    form.get_by_role("button", name="Add reward").evaluate(
        "button => { for (let i = 0; i < 10; i += 1) button.click(); }"
    )
    expect(app.locator("#message")).to_have_text("Reward saved")
    expect(app.locator(ROW, has_text=name)).to_have_count(1)
    page.wait_for_timeout(2_000)
    expect(app.locator(ROW, has_text=name)).to_have_count(1)


def test_a_refused_save_keeps_the_save_bar_and_the_text(page: Page, stack: Stack) -> None:
    app = open_admin(page, stack, "/program")
    app.get_by_label("Points for each USD spent").fill("0")
    expect(page.locator("#save-bar")).to_be_visible()
    page.locator("#save").click()
    rate = app.get_by_label("Points for each USD spent")
    expect(app.get_by_text("Please give a number above 0 and up to 10,000")).to_be_visible()
    expect(rate).to_be_focused()
    expect(page.locator("#save-bar")).to_be_visible()
    page.wait_for_timeout(7_000)  # a poll later
    expect(rate).to_have_value("0")
    expect(app.get_by_text("Please give a number above 0")).to_be_visible()


def test_focus_lands_on_the_heading_after_a_way_and_on_the_message_after_a_save(
    page: Page, stack: Stack
) -> None:
    name = f"Reader{uuid.uuid4().hex[:6]}"
    bob = buyer(stack, name)
    app = open_admin(page, stack, "/customers")
    app.get_by_role("link", name=f"{name} Buyer").click()
    expect(app.get_by_role("heading", name=f"{name} Buyer")).to_be_visible()
    expect(app.locator("#heading:focus, main:focus")).to_be_attached()
    app.get_by_label("Points", exact=True).fill("5")
    app.get_by_label("Reason").fill("hello")
    app.get_by_role("button", name="Save points").click()
    app.get_by_role("button", name="Yes, go on").click()
    message = app.locator("#message")
    expect(message).to_have_text("+5 points saved")
    expect(message).to_be_focused()
    assert message.get_attribute("role") == "status"
    expect(available(app)).to_contain_text("54")
    page.wait_for_timeout(6_000)
    expect(message).to_be_focused()
    app.locator("details.why summary").first.click()
    expect(app.get_by_text("Given by Alice Owner, 5 points: hello")).to_be_visible()
    assert stack.me(bob)["points"]["available"] == 54


def test_an_address_where_nothing_is_keeps_the_menu_and_a_way_back(
    page: Page, stack: Stack
) -> None:
    app = open_admin(page, stack, "/nowhere")
    expect(app.get_by_text("There is nothing at this address")).to_be_visible()
    expect(page.locator("#app-menu a", has_text="Program")).to_be_visible()
    app.get_by_role("link", name="Back to Home").click()
    expect(app.get_by_role("heading", name="Home")).to_be_visible()
    expect(app.locator("#heading:focus, main:focus")).to_be_attached()


def test_without_htmx_a_save_says_in_html_that_nothing_was_saved(page: Page, stack: Stack) -> None:
    page.route(HTMX, lambda route: route.abort())
    page.goto(f"{stack.store_url}/store/alice?path=/program", wait_until="domcontentloaded")
    app = page.frame_locator("iframe")
    app.get_by_label("Points for each USD spent").fill("2")
    app.get_by_role("button", name="Save rules").click()
    expect(app.get_by_role("heading", name="Nothing was saved")).to_be_visible()
    app.get_by_role("link", name="Back to Home").click()
    expect(app.get_by_role("heading", name="Home")).to_be_visible()
