"""What a merchant does with customers and the programme, in Chromium, framed as by Shopify."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.merchant import ROW, open_alone
from tests.browser.test_admin import (
    browser,
    customer_with_points,
    heading,
    open_admin,
    page,
)
from tests.stack import SHOP, Stack

pytestmark = pytest.mark.long

__all__ = ["browser", "page"]
NAMES = ("W" * 255, "محمد عبد الله " * 18, "👩‍👩‍👧‍👦" * 23, "Zoë O'Neil")
LARGE = "1234567.00"
CELL = ":is(td, s-table-cell)"
OUTSIDE = """
() => [...document.querySelectorAll("main *")]
  .filter((one) => !one.closest(".scroll, .unseen, s-table *"))
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
  .map((one) => `${one.tagName}.${one.className}`)
"""


@pytest.fixture(scope="module")
def people(stack: Stack) -> list[str]:
    """Customers with names of all kinds and seven figures of points."""
    made = []
    for number, name in enumerate(NAMES):
        fields = {"first_name": name, "last_name": "", "email": f"odd{number}@example.com"}
        made.append(str(stack.control("POST", f"shops/{SHOP}/customers", fields)["id"]))
        stack.order(made[-1], LARGE)
    for customer_id in made:
        stack.wait_for_points(customer_id, 1_234_567)
    return made


# 320 is also what 640 is at a zoom of 200 %
@pytest.mark.parametrize("width", [320, 390, 640, 1280])
def test_names_and_figures_of_any_length_stay_inside(
    page: Page, stack: Stack, people: list[str], width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    long, arabic, _, plain = people
    for path in (
        "/",
        "/customers",
        "/customers?balance_from=1000000",
        f"/customers/{long}",
        f"/customers/{arabic}",
        f"/customers/{plain}",
        "/customers/bulk?balance_from=1000000",
        "/program",
    ):
        open_alone(page, stack, path)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        assert page.evaluate(OUTSIDE) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    open_alone(page, stack, "/customers")
    available = page.locator(ROW, has_text="odd0@example.com").locator(CELL).nth(1)
    box = available.bounding_box()
    assert box
    assert width < 500 or box["x"] + box["width"] <= width, "a long name pushes no figure away"


def test_a_phones_chart_shows_the_newest_day_in_letters_that_can_be_read(
    page: Page, stack: Stack, people: list[str]
) -> None:
    assert people
    page.set_viewport_size({"width": 390, "height": 800})
    open_alone(page, stack, "/")
    chart = page.locator("svg.phone-chart")
    expect(chart).to_be_visible()
    expect(page.locator("svg.wide-chart")).to_be_hidden()
    newest = chart.locator("rect.earned").last.bounding_box()
    assert newest
    assert newest["x"] + newest["width"] <= 390
    heights = [one.bounding_box()["height"] for one in chart.locator("text").all()]
    assert min(heights) >= 11


def test_a_customers_history_is_chosen_by_kind_and_saved_as_a_file(
    page: Page, stack: Stack
) -> None:
    customer_id = customer_with_points(stack, "Historic")
    app = open_admin(page, stack, f"/customers/{customer_id}")
    app.get_by_label("What", exact=True).select_option("taken_back")
    app.locator("#events form").get_by_role("button", name="Show").click()
    expect(app.get_by_text("Nothing like this happened")).to_be_visible()
    app.get_by_role("link", name="Show all").click()
    expect(app.get_by_role("link", name="Order #")).to_have_count(1)
    with page.expect_download() as saved:
        app.get_by_role("link", name="Download as CSV").click()
    assert saved.value.suggested_filename == f"points-{customer_id}.csv"
    lines = saved.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 2
    assert "$49.90" in lines[1]


def test_a_note_is_kept_with_who_wrote_it(page: Page, stack: Stack) -> None:
    customer_id = customer_with_points(stack, "Noted")
    app = open_admin(page, stack, f"/customers/{customer_id}")
    app.get_by_label("New note").fill("Prefers e-mail")
    app.get_by_role("button", name="Save note").click()
    note = app.locator("#notes li", has_text="Prefers e-mail")
    expect(note).to_contain_text("by staff")


def test_the_points_of_all_who_match_are_changed_while_the_page_tells_how_far(
    page: Page, stack: Stack
) -> None:
    customer_id = stack.customer("Plenty")
    stack.order(customer_id, "7777.00")
    stack.wait_for_points(customer_id, 7_777)
    app = open_admin(page, stack, "/customers")
    app.get_by_text("Filter", exact=True).click()
    app.get_by_label("Points from").fill("7777")
    app.get_by_label("Points up to").fill("7777")
    app.locator("details.filters").get_by_role("button", name="Show").click()
    expect(app.locator(ROW)).to_have_count(1)
    app.get_by_role("link", name="Change their points").click()
    expect(app.get_by_text("For customers with 7,777 to 7,777 points")).to_be_visible()
    app.get_by_label("Points for each").fill("23")
    app.get_by_label("Reason").fill("a jubilee")
    app.get_by_role("button", name="Change points").click()
    app.get_by_role("button", name="Yes, go on").click()
    expect(app.get_by_text("1 of 1 customers.")).to_be_visible(timeout=20_000)
    stack.wait_for_points(customer_id, 7_800)


@pytest.fixture
def live_again(stack: Stack) -> Iterator[None]:
    yield
    token = stack.control("GET", f"shops/{SHOP}/id-token")["id_token"]
    answer = stack.http.post(
        f"{stack.app_url}/program/state",
        data={"state": "live"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200


@pytest.mark.usefixtures("live_again")
def test_a_programme_is_paused_and_goes_on(page: Page, stack: Stack) -> None:
    customer_id = customer_with_points(stack, "Waiting")
    app = open_admin(page, stack, "/program")
    app.get_by_role("button", name="Pause the program").click()
    app.get_by_role("button", name="Yes, go on").click()
    expect(app.get_by_text("Orders are recorded and earn nothing, and rewards")).to_be_visible()
    app = open_admin(page, stack)
    expect(app.get_by_text("The program is paused")).to_be_visible()
    app = open_admin(page, stack, "/program")
    app.get_by_role("button", name="Resume the program").click()
    app.get_by_role("button", name="Yes, go on").click()
    expect(app.get_by_text("Orders earn points, and shoppers")).to_be_visible()
    stack.order(customer_id, "1.00")
    stack.wait_for_points(customer_id, 50)


def test_the_preview_is_the_shoppers_own_widget_and_gives_no_real_code(
    page: Page, stack: Stack
) -> None:
    app = open_admin(page, stack, "/program")
    app.get_by_role("link", name="Preview as a shopper").click()
    expect(heading(app, "Preview as a shopper")).to_be_visible()
    app.get_by_role("button", name="Rewards 250 points").click()
    app.get_by_role("button", name="Redeem $5.00 off").click()
    app.get_by_role("button", name="Get my code").click()
    expect(app.get_by_text("PREVIEW-ONLY").first).to_be_visible()
