"""Campaigns really stopped and really stalled: shoppers, points and the rest of admin go on."""

import re
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec.structs import replace

from app import development
from app.flow import event as envelope
from app.flow.bus import log as fact_log
from app.own_facts import Campaign, CampaignUpdated
from tests.admin.staff import SHOWN
from tests.faults.beside import Beside
from tests.faults.shoppers import bob_with, gauge
from tests.stack import SHOP, Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.long
NEW_YORK = ZoneInfo("America/New_York")  # where the stand-in shop is
TODAY = datetime.now(UTC).date()
# each row takes a minute; a lock would hold up the log, too
STALL = """
BEGIN;
ALTER TABLE campaigns RENAME TO campaigns_stalled;
CREATE VIEW campaigns AS
SELECT * FROM campaigns_stalled WHERE pg_sleep(60)::text IS NOT NULL;
COMMIT
"""
GO_ON = """
BEGIN; DROP VIEW campaigns; ALTER TABLE campaigns_stalled RENAME TO campaigns; COMMIT
"""
AS_OF = "Points go by your campaigns as of"
AWAY = "The campaigns part was away"
LAG = 'holdfast_consumer_lag_events{service="campaigns"}'


@pytest.fixture(autouse=True)
def _signing_as_the_stack_does(whole_stack: Stack) -> Iterator[None]:
    before = list(envelope._signing)
    secrets = development.its_secrets(whole_stack.directory / "holdfast")
    envelope.use_secrets([secrets["EVENT_SECRETS"]])
    yield
    envelope.use_secrets(before)


def text(stack: Stack, path: str) -> str:
    page = stack.open_admin(path)
    assert page.status_code == 200, path
    assert page.elapsed.total_seconds() < 3, path
    bare = re.sub(r"<[^>]*>", lambda tag: f" {' '.join(SHOWN.findall(tag[0]))} ", page.text)
    return " ".join(bare.split())


def post(stack: Stack, path: str, **fields: str) -> str:
    token = stack.control("GET", f"shops/{SHOP}/id-token")["id_token"]
    answer = stack.http.post(
        f"{stack.app_url}{path}", data=fields, headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 200, answer.text
    return answer.text


def running(stack: Stack) -> tuple[str, str]:
    """A campaign for birthdays, which changes nothing of what orders earn: its name and its id."""
    name = f"Birthday {uuid.uuid4().hex[:6]}"
    start = f"{TODAY - timedelta(days=1)}"
    fields = {"trigger": "birthday", "effect": "add", "value": "50", "starts_day": start}
    page = post(stack, "/campaigns", key=uuid.uuid4().hex, name=name, **fields)
    found = re.search(r"/campaigns/([0-9a-f-]{36})/state", page)
    assert found
    post(stack, f"/campaigns/{found[1]}/state", state="live")
    return name, found[1]


def for_orders(stack: Stack, name: str) -> str:
    """A campaign that adds 25 points to orders, live: its id."""
    start = f"{TODAY - timedelta(days=1)}"
    fields = {"trigger": "order", "effect": "add", "value": "25", "starts_day": start}
    page = post(stack, "/campaigns", key=uuid.uuid4().hex, name=name, **fields)
    found = re.search(r"/campaigns/([0-9a-f-]{36})/state", page)
    assert found
    post(stack, f"/campaigns/{found[1]}/state", state="live")
    time.sleep(2)  # Shopify tells whole seconds
    return found[1]


def tell_points(beside: Beside, campaign_id: str, points: int) -> None:
    """What points says when a campaign gave something."""
    data: dict[str, Any] = {
        "customer_id": "7001",
        "source": f"birthday:{uuid.uuid4().hex[:8]}",
        "bonuses": [[campaign_id, 2, points]],
    }
    fact = envelope.new("points.earned", SHOP, SHOP, data, trace="t")
    beside.run(fact_log.append(beside.connection, [fact]))


def named(stack: Stack, customer: str) -> list[str]:
    return [one["name"] for one in stack.me(customer)["campaigns"]]


def test_with_campaigns_stopped_its_figures_alone_are_old_and_nothing_is_lost(
    whole_stack: Stack, beside: Beside
) -> None:
    stack = whole_stack
    name, one = running(stack)
    bob = bob_with(stack, 40)
    wait_for("shoppers see it", lambda: name in named(stack, bob), 10)
    stack.stop_long_ago("campaigns")
    wait_for("home says so", lambda: "The campaigns part is behind" in text(stack, "/"), 10)
    tell_points(beside, one, 50)
    stack.order(bob, "60.00")
    stack.wait_for_points(bob, 100)
    assert name in named(stack, bob)
    assert stack.me(bob)["points"]["source"] == "live", "points is not behind"
    home = text(stack, "/")
    assert "Campaigns as of" in home
    assert "Points are catching up" not in home
    page = text(stack, f"/campaigns/{one}")
    assert "What campaigns gave is being counted" in page
    assert "Points given 0" in page
    assert gauge(stack, LAG) >= 1
    post(stack, f"/campaigns/{one}/state", state="ended")
    wait_for("an end holds at once", lambda: name not in named(stack, bob), 10)
    stack.start("campaigns")
    wait_for("it is counted", lambda: "Points given 50" in text(stack, f"/campaigns/{one}"), 20)
    wait_for("the mark goes", lambda: "Campaigns as of" not in text(stack, "/"), 20)


def test_with_campaigns_tables_stalled_people_see_the_last_ones_and_wait_for_nothing(
    whole_stack: Stack, beside: Beside
) -> None:
    stack = whole_stack
    name, one = running(stack)
    bob = bob_with(stack, 40)
    wait_for("shoppers see it", lambda: name in named(stack, bob), 10)
    for path in ("/", "/campaigns", f"/campaigns/{one}", "/campaigns/calendar"):
        assert name in text(stack, path), path
    beside.execute(STALL)
    try:
        slowest = 0.0
        for path in ("/campaigns", f"/campaigns/{one}", "/campaigns/calendar"):
            began = time.monotonic()
            page = text(stack, path)
            slowest = max(slowest, time.monotonic() - began)
            assert name in page, path
            assert "Figures as of" in page, path
        home = text(stack, "/")
        assert "Campaigns as of" in home
        assert "Figures as of" not in home, "the rest of home is live"
        for _ in range(3):
            me = stack.proxy("GET", "/storefront/me", bob)
            assert me.status_code == 200
            assert me.elapsed.total_seconds() < 2
            print(f"\nme: {me.elapsed.total_seconds():.2f} s, slowest page {slowest:.2f} s")
            assert name in [campaign["name"] for campaign in me.json()["campaigns"]]
        stack.order(bob, "60.00")
        stack.wait_for_points(bob, 100)
    finally:
        beside.execute(GO_ON)
    wait_for("all is live again", lambda: "Campaigns as of" not in text(stack, "/"), 40)


def until_marked(stack: Stack, bob: str, *, is_marked: bool) -> int:
    """How many of Bob's orders say that campaigns were away, once a new one does, or does not:
    points looks every second, and an order may come before it has seen what a page has seen.
    """
    for _ in range(6):
        before = text(stack, f"/customers/{bob}").count(AWAY)
        points = stack.me(bob)["points"]["available"]
        stack.order(bob, "10.00")
        stack.wait_for_points(bob, points + 35)
        marked = text(stack, f"/customers/{bob}").count(AWAY)
        if (marked > before) is is_marked:
            return marked
    raise AssertionError(f"of six orders {marked} were marked")


def test_with_campaigns_hanging_points_goes_on_by_what_it_heard_and_says_as_of_when(
    whole_stack: Stack,
) -> None:
    stack = whole_stack
    one = for_orders(stack, f"Thanks {uuid.uuid4().hex[:6]}")
    try:
        bob = stack.customer()
        stack.order(bob, "10.00")
        stack.wait_for_points(bob, 35)
        own = f"/customers/{bob}"
        for path in ("/", "/program", own):
            assert AS_OF not in text(stack, path), path
        stack.pause("campaigns")
        try:
            for path in ("/", "/program", own):
                wait_for(f"{path} says so", lambda path=path: AS_OF in text(stack, path), 15)
            assert "Campaigns as of" in text(stack, "/")
            marked = until_marked(stack, bob, is_marked=True)
        finally:
            stack.resume("campaigns")
        for path in ("/", "/program", own):
            wait_for(f"{path} is well", lambda path=path: AS_OF not in text(stack, path), 20)
        until_marked(stack, bob, is_marked=False)
        assert text(stack, own).count(AWAY) >= marked, "what was marked stays so"
    finally:
        post(stack, f"/campaigns/{one}/state", state="ended")
    stack.verify()


def test_an_order_gets_its_base_points_now_and_the_bonus_once_its_campaign_is_told(
    whole_stack: Stack, beside: Beside
) -> None:
    stack = whole_stack
    bob = stack.customer()
    stack.kill("campaigns")
    stack.order(bob, "10.00")
    stack.wait_for_points(bob, 10)
    began = datetime.now(UTC) - timedelta(minutes=5)
    late = Campaign(str(uuid.uuid4()), 1, "Told late", "live", began, effect="add", value="25")
    over = replace(late, version=2, state="ended")
    try:
        tell(beside, late, began)
        stack.wait_for_points(bob, 35, 20)
        assert "only told after its points" in text(stack, f"/customers/{bob}")
        tell(beside, late, began)
    finally:
        tell(beside, over, datetime.now(UTC))
        stack.start("campaigns")
    stack.order(bob, "10.00")
    stack.wait_for_points(bob, 45)
    stack.verify()


def tell(beside: Beside, one: Campaign, at: datetime) -> None:
    """What campaigns say of one that counts from then on."""
    data = msgspec.to_builtins(CampaignUpdated(one, at=at))
    fact = envelope.new("campaign.updated", SHOP, SHOP, data, trace="t")
    beside.run(fact_log.append(beside.connection, [fact]))


def test_with_campaigns_stopped_points_goes_on_by_its_copy_and_ends_with_it(
    whole_stack: Stack,
) -> None:
    stack = whole_stack
    name = f"Double {uuid.uuid4().hex[:6]}"
    ends = (datetime.now(NEW_YORK) + timedelta(seconds=150)).replace(second=0, microsecond=0)
    fields = {
        "name": name,
        "trigger": "order",
        "effect": "multiply",
        "value": "2",
        "starts_day": f"{ends.date() - timedelta(days=1)}",
        "ends_day": f"{ends.date()}",
        "ends_time": f"{ends:%H:%M}",
    }
    page = post(stack, "/campaigns", key=uuid.uuid4().hex, **fields)
    found = re.search(r"/campaigns/([0-9a-f-]{36})/state", page)
    assert found
    post(stack, f"/campaigns/{found[1]}/state", state="live")
    bob = stack.customer()
    time.sleep(2)  # Shopify tells whole seconds
    first = stack.order(bob, "10.00")
    stack.wait_for_points(bob, 20)
    stack.kill("campaigns")
    stack.order(bob, "10.00")
    stack.wait_for_points(bob, 40)
    # what is named to shoppers is kept for some seconds
    wait_for("the campaign is named", lambda: name in named(stack, bob), 10)
    left = (ends - datetime.now(NEW_YORK)).total_seconds()
    assert left > 0, "this machine was too slow for the test to mean anything"
    time.sleep(left + 1)
    assert name not in named(stack, bob), "no cache keeps it past its end"
    stack.order(bob, "10.00")
    stack.wait_for_points(bob, 50)
    stack.start("campaigns")
    stack.control("POST", f"shops/{SHOP}/orders/{first['id']}/refund", {"lines": "all"})
    stack.wait_for_points(bob, 30)
    at = f"/campaigns/{found[1]}"
    gave = "Points given 20 Taken back 10 for orders that came back Orders 2 Customers 1"
    wait_for("all of it is counted", lambda: gave in text(stack, at), 20, lambda: text(stack, at))
    stack.verify()
