"""Forty-odd states of what merchants see: how each is reached, for whoever looks at all of them."""

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import FrameLocator, Page, expect

from tests.browser.merchant import open_admin
from tests.faults.shoppers import redeem
from tests.stack import SECRET, SHOP, Stack, wait_for
from tests.webhook import signed_headers

# a field that says what is wrong with it, in both renderings
REFUSED = ":is(.problem, [error]:not([error='']))"


@dataclass(frozen=True)
class Town:
    """Alice's shop with what its pages tell of; `customer` is Bob's id, `campaign` the path of
    one that runs.
    """

    stack: Stack
    customer: str
    campaign: str = ""


@dataclass(frozen=True)
class State:
    """What is on the screen: the page, and what a merchant did there."""

    name: str
    path: str
    act: Callable[[FrameLocator, Town], None] = lambda _app, _town: None


NOTHING_YET = (
    State("home of a draft", "/"),
    State("customers, none yet", "/customers"),
    State("programme, a draft", "/program"),
    State("ways to earn, none yet", "/ways"),
    State("change for many, none yet", "/customers/bulk"),
    State("corrections, none", "/corrections"),
    State("health of a new shop", "/health"),
)


def settle(stack: Stack) -> Town:
    """A shop with customers, a history, a code, and what was set aside."""
    bob = stack.customer("Bob")
    stack.order(bob, "149.90")
    back = stack.order(bob, "60.00")
    stack.wait_for_points(bob, 209)
    stack.control("POST", f"shops/{SHOP}/orders/{back['id']}/refund", {"lines": "all"})
    stack.wait_for_points(bob, 149)
    answer = redeem(stack, bob)
    assert answer.status_code < 300, answer.text
    stack.order(stack.customer("Zoë"), "20.00")
    body = b'{"id": 77, "line_items": "many"}'
    answer = stack.http.post(
        f"{stack.app_url}/webhooks",
        content=body,
        headers=signed_headers(body, "orders/paid", SHOP, SECRET),
    )
    assert answer.status_code == 200
    wait_for("it is set aside", lambda: "Set aside" in stack.open_admin("/health").text, 20)
    return Town(stack, bob)


def at(town: Town, path: str) -> str:
    what_if = town.campaign.replace("/campaigns/", "/campaigns/what-if/")
    of_campaign = path.replace("CAMPAIGN", town.campaign).replace("WHAT-IF", what_if)
    return of_campaign.replace("BOB", town.customer)


def show(page: Page, town: Town, state: State) -> FrameLocator:
    """The state on the screen, framed as Shopify frames it."""
    app = open_admin(page, town.stack, at(town, state.path))
    state.act(app, town)
    return app


def _open_all(app: FrameLocator, _town: Town) -> None:
    app.locator(":root").evaluate(
        "() => document.querySelectorAll('details').forEach((one) => { one.open = true; })"
    )


def _refused_adjustment(app: FrameLocator, _town: Town) -> None:
    app.get_by_label("Points", exact=True).fill("lots")
    app.get_by_role("button", name="Save points").click()
    expect(app.get_by_text("Please give a whole number of points")).to_be_visible()


def _asked_to_confirm(app: FrameLocator, _town: Town) -> None:
    app.get_by_label("Points", exact=True).fill("5")
    app.get_by_label("Reason").fill("late parcel")
    app.get_by_role("button", name="Save points").click()
    expect(app.get_by_role("button", name="Yes, go on")).to_be_visible()


def _adjusted(app: FrameLocator, town: Town) -> None:
    _asked_to_confirm(app, town)
    app.get_by_role("button", name="Yes, go on").click()
    expect(app.locator("#message")).to_have_text("+5 points saved")


def _noted(app: FrameLocator, _town: Town) -> None:
    app.get_by_label("New note").fill("Prefers e-mail")
    app.get_by_role("button", name="Save note").click()
    expect(app.locator("#notes li", has_text="Prefers e-mail").first).to_be_visible()


def _none_of_that_kind(app: FrameLocator, _town: Town) -> None:
    app.get_by_label("What", exact=True).select_option("expired")
    app.locator("#events form").get_by_role("button", name="Show").click()
    expect(app.get_by_text("Nothing like this happened")).to_be_visible()


def _nobody_found(app: FrameLocator, _town: Town) -> None:
    app.get_by_label("Search customers").press_sequentially("nobody at all", delay=10)
    expect(app.locator("tbody tr")).to_have_count(0)


def _refused_filter(app: FrameLocator, _town: Town) -> None:
    app.get_by_text("Filter", exact=True).click()
    app.get_by_label("Points from").fill("many")
    app.locator("details.filters").get_by_role("button", name="Show").click()
    expect(app.locator(REFUSED).first).to_be_visible()


def _refused_bulk(app: FrameLocator, _town: Town) -> None:
    app.get_by_label("Points for each").fill("many")
    app.get_by_role("button", name="Change points").click()
    expect(app.locator(REFUSED).first).to_be_visible()


def _changed_in_bulk(app: FrameLocator, _town: Town) -> None:
    app.get_by_label("Points for each").fill("3")
    app.get_by_label("Reason").fill("a jubilee")
    app.get_by_role("button", name="Change points").click()
    app.get_by_role("button", name="Yes, go on").click()
    expect(app.get_by_text(" customers.", exact=False).first).to_be_visible(timeout=20_000)


def _refused_rule(app: FrameLocator, _town: Town) -> None:
    app.get_by_label("Points for each USD spent").fill("0")
    app.get_by_role("button", name="Save rules").click()
    expect(app.get_by_text("Please give a number above 0")).to_be_visible()


def _saved_rule(app: FrameLocator, _town: Town) -> None:
    app.get_by_label("Hold points back for").fill("1")
    app.get_by_role("button", name="Save rules").click()
    expect(app.get_by_text("Saved. It counts for orders")).to_be_visible()


def _conflicting_rule(app: FrameLocator, town: Town) -> None:
    app.get_by_label("Points expire after").fill("365")
    rule = {
        "rate": "2",
        "rounding": "down",
        "pending_days": "3",
        "expiry_days": "",
        "clawback": "debt",
        "returns": "goods",
    }
    post(town.stack, "/program/edit", rule)
    app.get_by_role("button", name="Save rules").click()
    expect(app.locator(".conflict")).to_be_visible()


def _refused_reward(app: FrameLocator, _town: Town) -> None:
    app.get_by_label("Costs").fill("0")
    app.get_by_role("button", name="Add reward").click()
    expect(app.locator(REFUSED).first).to_be_visible()


def _paused(app: FrameLocator, _town: Town) -> None:
    app.get_by_role("button", name="Pause the program").click()
    app.get_by_role("button", name="Yes, go on").click()
    expect(app.get_by_text("Orders are recorded and earn nothing")).to_be_visible()


def _resumed(app: FrameLocator, _town: Town) -> None:
    app.get_by_role("button", name="Resume the program").click()
    app.get_by_role("button", name="Yes, go on").click()
    expect(app.get_by_text("Orders earn points, and shoppers")).to_be_visible()


def _preview_opened(app: FrameLocator, _town: Town) -> None:
    app.get_by_role("button", name="Rewards 250 points").click()
    expect(app.get_by_role("dialog")).to_be_visible()


def _unreadable_look(app: FrameLocator, _town: Town) -> None:
    app.locator("[name='text']").evaluate("(one) => { one.value = '#bbbbbb'; }")
    app.get_by_role("button", name="Save appearance").click()
    expect(app.get_by_text("This text is hard to read").first).to_be_visible()


def _refused_way(app: FrameLocator, _town: Town) -> None:
    app.get_by_role("button", name="Add and switch on").click()
    expect(app.locator(REFUSED).first).to_be_visible()


def _added_way(app: FrameLocator, _town: Town) -> None:
    app.locator("[name='handle']").evaluate("(one) => { one.value = 'review'; }")
    app.get_by_role("button", name="Add and switch on").click()
    expect(app.locator("#ways strong", has_text="Write a review")).to_be_visible()


def _made_key(app: FrameLocator, town: Town) -> None:
    app.get_by_role("button", name="Make a key").click()
    expect(app.locator("#new-key")).to_be_visible()
    _open_all(app, town)


def post(stack: Stack, path: str, fields: dict[str, str]) -> None:
    """What a form of another tab sends."""
    token = stack.control("GET", f"shops/{SHOP}/id-token")["id_token"]
    answer = stack.http.post(
        f"{stack.app_url}{path}", data=fields, headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 200, answer.text


WELL = (
    State("home", "/"),
    State("customers", "/customers"),
    State("customers, found", "/customers?search=bob"),
    State("customers, nobody found", "/customers", _nobody_found),
    State("customers, filtered", "/customers?balance_from=1&balance_to=1000"),
    State("customers, filter refused", "/customers", _refused_filter),
    State("customers, by points", "/customers?sort=points"),
    State("customer", "/customers/BOB"),
    State("customer, all opened", "/customers/BOB", _open_all),
    State("customer, refused", "/customers/BOB", _refused_adjustment),
    State("customer, asked to confirm", "/customers/BOB", _asked_to_confirm),
    State("customer, saved", "/customers/BOB", _adjusted),
    State("customer, noted", "/customers/BOB", _noted),
    State("customer, none of that kind", "/customers/BOB", _none_of_that_kind),
    State("customer, unknown", "/customers/9999999"),
    State("change for many", "/customers/bulk"),
    State("change for many, refused", "/customers/bulk", _refused_bulk),
    State("change for many, done", "/customers/bulk", _changed_in_bulk),
    State("programme", "/program"),
    State("programme, refused", "/program", _refused_rule),
    State("programme, saved", "/program", _saved_rule),
    State("programme, two tabs", "/program", _conflicting_rule),
    State("rewards", "/rewards"),
    State("rewards, none found", "/rewards?q=nothing"),
    State("reward, which kind", "/rewards/new"),
    State("reward, new", "/rewards/new?kind=store_credit&costing=choose"),
    State("reward, refused", "/rewards/new?kind=percent_off", _refused_reward),
    State("programme, paused", "/program", _paused),
    State("home, paused", "/"),
    State("programme, going on", "/program", _resumed),
    State("preview", "/program/preview"),
    State("preview, opened", "/program/preview", _preview_opened),
    State("ways to earn, a network refused", "/ways?add=follow", _refused_way),
    State("ways to earn, an action added", "/ways?add=action", _added_way),
    State("ways to earn, all opened", "/ways", _made_key),
    State("home, figures explained", "/?days=90", _open_all),
    State("appearance", "/appearance"),
    State("appearance, refused", "/appearance", _unreadable_look),
    State("appearance, texts found", "/appearance?lang=fr&q=panier"),
    State("corrections", "/corrections"),
    State("health", "/health"),
    State("health, all opened", "/health", _open_all),
    State("nowhere", "/nowhere"),
)
# while a part is stopped
AWAY = (
    State("home", "/"),
    State("customers", "/customers"),
    State("customer", "/customers/BOB"),
    State("programme", "/program"),
    State("ways to earn", "/ways"),
    State("appearance", "/appearance"),
    State("health", "/health"),
)
