"""The merchant's screens in Chromium, framed by the stand-in admin as Shopify frames them."""

import re
import time
import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, Route, expect

from tests.browser.merchant import DRAWN, POLARIS, ROW, chromium, open_admin, tab
from tests.stack import Stack
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(params=["polaris", pytest.param("native", marks=pytest.mark.long)])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    with tab(browser, request.param) as opened:
        yield opened


def heading(app: FrameLocator, text: str):
    return app.get_by_role("heading", name=text, exact=True)


def customer_with_points(stack: Stack, name: str) -> str:
    customer_id = stack.customer(name)
    stack.order(customer_id, "49.90")
    stack.wait_for_points(customer_id, 49)
    return customer_id


def test_a_merchant_finds_a_customer_sees_why_and_adjusts(page: Page, stack: Stack) -> None:
    name = f"Findme{uuid.uuid4().hex[:6]}"
    customer_with_points(stack, name)
    app = open_admin(page, stack, "/customers")
    app.get_by_label("Search customers").press_sequentially(name.lower(), delay=20)
    expect(app.locator(ROW)).to_have_count(1)
    app.get_by_role("link", name=f"{name} Buyer").click()
    expect(heading(app, "What happened")).to_be_visible()
    app.locator("details.why summary").first.click()
    expect(app.get_by_text("$49.90 of merchandise")).to_be_visible()
    app.get_by_label("Points", exact=True).fill("50")
    app.get_by_label("Reason").fill("late parcel")
    app.get_by_role("button", name="Save points").click()
    expect(app.get_by_text("Change this balance by 50 points?")).to_be_visible()
    app.get_by_role("button", name="Cancel").click()
    expect(page.locator("#save-bar")).to_be_visible()
    app.get_by_role("button", name="Save points").click()
    app.get_by_role("button", name="Yes, go on").click()
    expect(app.locator(".figure", has_text="Available").locator("dd")).to_contain_text("99")
    # a toast of admin, outside the frame
    expect(page.get_by_text("+50 points saved")).to_be_visible()


def test_what_cannot_be_saved_says_why_beside_the_field_and_stays(page: Page, stack: Stack) -> None:
    customer_id = customer_with_points(stack, "Keeper")
    app = open_admin(page, stack, f"/customers/{customer_id}")
    points = app.get_by_label("Points", exact=True)
    points.fill("lots")
    app.get_by_label("Reason").fill("a “good” one")
    app.get_by_role("button", name="Save points").click()
    expect(app.get_by_text("Please give a whole number of points")).to_be_visible()
    expect(points).to_have_value("lots")
    expect(points).to_be_focused()
    expect(app.get_by_label("Reason")).to_have_value("a “good” one")


def test_the_example_follows_the_rate_while_it_is_typed(page: Page, stack: Stack) -> None:
    app = open_admin(page, stack, "/program")
    expect(app.get_by_text("An order of $49.90 earns 49 points.")).to_be_visible()
    app.get_by_label("Points for each USD spent").fill("1.5")
    expect(app.get_by_text("An order of $49.90 earns 74 points.")).to_be_visible()
    app.get_by_label("When it is not a whole number").select_option("up")
    expect(app.get_by_text("An order of $49.90 earns 75 points.")).to_be_visible()


def test_the_keyboard_alone_reaches_and_edits_a_reward(page: Page, stack: Stack) -> None:
    app = open_admin(page, stack, "/rewards")
    app.get_by_role("link", name="5.00 off", exact=True).focus()
    page.keyboard.press("Enter")
    cost = app.get_by_label("Costs")
    expect(cost).to_be_visible()
    cost.focus()
    cost.fill("0")
    page.keyboard.press("Enter")
    expect(app.get_by_text("at least 1 and up to 10,000,000").first).to_be_visible()
    expect(cost).to_have_value("0")


def test_products_are_chosen_in_shopifys_picker(page: Page, stack: Stack) -> None:
    app = open_admin(page, stack, "/rewards/new?kind=free_product")
    app.get_by_role("button", name="Choose products").click()
    page.get_by_label("Enamel mug").check()
    page.get_by_role("button", name="Choose", exact=True).click()
    expect(app.get_by_label("Products", exact=True)).to_have_value(re.compile(r"^[0-9]+$"))


def test_status_refreshes_itself_and_keeps_open_what_was_opened(
    page: Page, whole_stack: Stack
) -> None:
    app = open_admin(page, whole_stack, "/health")
    core = app.locator(ROW, has_text="knows your customers")
    expect(core.get_by_text("Running")).to_be_visible(timeout=15_000)
    whole_stack.stop_long_ago("core")
    expect(core.get_by_text("Not answering")).to_be_visible(timeout=20_000)


def test_with_points_stopped_home_says_so_and_an_order_still_counts(
    page: Page, whole_stack: Stack
) -> None:
    customer_id = customer_with_points(whole_stack, "Patient")
    whole_stack.stop_long_ago("points")
    wait_for("the page says so", lambda: "on their way" in whole_stack.open_admin("/").text, 20)
    app = open_admin(page, whole_stack)
    expect(app.get_by_text("Points are catching up")).to_be_visible()
    expect(app.get_by_text("The points part is behind")).to_be_visible()
    whole_stack.order(customer_id, "10.00")
    whole_stack.start("points")
    whole_stack.wait_for_points(customer_id, 59, 20)


def test_an_inner_page_survives_a_reload(page: Page, stack: Stack) -> None:
    app = open_admin(page, stack, "/customers")
    expect(heading(app, "Customers")).to_be_visible()
    app.locator(":root").evaluate("() => { setTimeout(() => location.reload()) }")
    expect(heading(app, "Customers")).to_be_visible()


def test_a_hanging_cdn_delays_neither_the_page_nor_its_forms(page: Page, stack: Stack) -> None:
    held: list[Route] = []

    def never(route: Route) -> None:
        held.append(route)

    page.unroute(POLARIS)
    page.route(POLARIS, never)
    began = time.monotonic()
    app = open_admin(page, stack, "/program")
    app.get_by_label("Points for each USD spent").fill("2")
    expect(app.get_by_text("earns 99 points")).to_be_visible()
    assert time.monotonic() - began < 10
    assert held
    for route in held:
        route.abort()


@pytest.mark.parametrize("path", ["/", "/customers", "/program", "/health"])
def test_no_page_is_wider_than_its_window(page: Page, stack: Stack, path: str) -> None:
    token = stack.control("GET", "shops/alice.myshopify.com/id-token")["id_token"]
    page.goto(
        f"{stack.app_url}{path}?id_token={token}&shop=alice.myshopify.com&embedded=1",
        wait_until="domcontentloaded",
    )
    expect(page.locator(DRAWN)).to_be_visible(timeout=10_000)
    for width in (360, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
