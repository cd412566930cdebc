"""What merchants see of tiers, campaigns, referrals and what of orders earns, for whoever looks at
all states.
"""

import re
import uuid
from dataclasses import replace
from datetime import UTC, datetime

from playwright.sync_api import FrameLocator, expect

from app.campaigns.pages import form
from devstore.demo.referring import OFFER
from devstore.demo.tiers import PERKS, TIERS
from tests.browser.states import REFUSED, State, Town, post
from tests.faults.test_referrals_down import claim, link_of, new_member

NOTHING_YET = (
    State("what of orders earns, everything", "/program/orders"),
    State("rewards of a new shop", "/rewards"),
    State("tiers, none yet", "/tiers"),
    State("campaigns, none yet", "/campaigns"),
    State("calendar, empty", "/campaigns/calendar"),
    State("referrals, not on yet", "/referrals"),
    State("referrals, nothing waits", "/referrals/queue"),
    State("appearance of a new shop", "/appearance"),
)


def settle(town: Town) -> Town:
    """The shop with tiers, a campaign that runs, and a referral that waits for its merchant."""
    stack = town.stack
    post(stack, "/tiers", TIERS)
    tier, perks = PERKS[-1]
    post(stack, f"/tiers/{tier}/perks", {**perks, "version": "1"})
    today = datetime.now(UTC).date().isoformat()
    one = {**form.EMPTY, "name": "Double points", "starts_day": today, "key": str(uuid.uuid4())}
    post(stack, "/campaigns", one)
    found = re.search(r"/campaigns/[0-9a-f-]{36}", stack.open_admin("/campaigns").text)
    assert found
    post(stack, f"{found[0]}/state", {"state": "live"})
    post(stack, "/referrals/settings", OFFER)
    claim(stack, link_of(stack, new_member(stack)), "somebody@mailinator.com")
    return replace(town, campaign=found[0])


def _open_all(app: FrameLocator, _town: Town) -> None:
    app.locator(":root").evaluate(
        "() => document.querySelectorAll('details').forEach((one) => { one.open = true; })"
    )


def _refused_terms(app: FrameLocator, _town: Town) -> None:
    app.get_by_label("Products that earn nothing").fill("all of them")
    app.get_by_role("button", name="Save", exact=True).click()
    expect(app.locator(REFUSED).first).to_be_visible()


def _would_be_where(app: FrameLocator, _town: Town) -> None:
    app.get_by_label("From", exact=True).nth(2).fill("200000")
    expect(app.locator("#what-if progress").first).to_be_visible()


def _refused_tiers(app: FrameLocator, _town: Town) -> None:
    app.get_by_label("From", exact=True).nth(1).fill("many")
    app.get_by_role("button", name="Save tiers").click()
    expect(app.locator(REFUSED).first).to_be_visible()


def _refused_campaign(app: FrameLocator, _town: Town) -> None:
    app.get_by_role("button", name="Save as a draft").click()
    expect(app.locator(REFUSED).first).to_be_visible()


def _added_up(app: FrameLocator, _town: Town) -> None:
    app.get_by_role("button", name="Try it").click()
    expect(app.get_by_text("What it would have cost")).to_be_visible(timeout=20_000)


def _refused_offer(app: FrameLocator, _town: Town) -> None:
    app.get_by_label("How much").fill("plenty")
    app.get_by_role("button", name="Save the offer").click()
    expect(app.locator(REFUSED).first).to_be_visible()


WELL = (
    State("what of orders earns", "/program/orders"),
    State("what of orders earns, refused", "/program/orders", _refused_terms),
    State("tiers", "/tiers"),
    State("tiers, all opened", "/tiers", _open_all),
    State("tiers, who would be where", "/tiers", _would_be_where),
    State("tiers, refused", "/tiers", _refused_tiers),
    State("customer in a tier", "/customers/BOB", _open_all),
    State("campaigns", "/campaigns"),
    State("campaigns, none found", "/campaigns?q=nothing"),
    State("campaign, new", "/campaigns/new"),
    State("campaign, refused", "/campaigns/new", _refused_campaign),
    State("campaign", "CAMPAIGN"),
    State("campaign, edited", "CAMPAIGN/edit"),
    State("calendar", "/campaigns/calendar"),
    State("what if", "WHAT-IF"),
    State("what if, gone through", "WHAT-IF", _added_up),
    State("referrals", "/referrals"),
    State("referrals, queue", "/referrals/queue"),
    State("referrals, the offer", "/referrals/settings"),
    State("referrals, refused", "/referrals/settings", _refused_offer),
)
# while a part is stopped
AWAY = (
    State("what of orders earns", "/program/orders"),
    State("rewards", "/rewards"),
    State("tiers", "/tiers"),
    State("campaigns", "/campaigns"),
    State("calendar", "/campaigns/calendar"),
    State("campaign", "CAMPAIGN"),
    State("what if", "WHAT-IF"),
    State("referrals", "/referrals"),
    State("referrals, queue", "/referrals/queue"),
    State("referrals, the offer", "/referrals/settings"),
)
