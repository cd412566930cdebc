"""Every product event there is, really sent by a shop's day through all processes, and none once
its merchant wants none.
"""

import json
import time
import uuid

import jwt
import pytest

from app.telemetry import product
from tests.faults.shoppers import bob_with, redeem
from tests.faults.test_campaigns_away import for_orders, post
from tests.faults.test_referrals_down import link_of
from tests.living import living
from tests.receiver import receiving
from tests.stack import SHOP, Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.long
CHARLIE = "charlie.myshopify.com"


def open_checkout(stack: Stack, customer_id: str) -> None:
    """As the extension does, whose shopper agreed."""
    now = int(time.time())
    claims = {"dest": SHOP, "aud": "dev-key", "exp": now + 300, "nbf": now, "iat": now}
    claims |= {"jti": uuid.uuid4().hex, "sub": f"gid://shopify/Customer/{customer_id}"}
    token = jwt.encode(claims, stack.environment["SHOPIFY_API_SECRET"], "HS256")
    headers = {"Authorization": f"Bearer {token}"}
    answer = stack.http.get(f"{stack.app_url}/checkout/me?consent=1", headers=headers)
    assert answer.status_code == 200, answer.text


def live_through_all(stack: Stack, bob: str) -> None:
    """All that is an event, but the first opening of the app."""
    post(stack, "/program/state", state="paused")
    post(stack, "/program/state", state="live")
    fields = {"kind": "amount_off", "title": "Nine off", "cost": "900", "amount_off": "9"}
    post(stack, "/rewards", **fields, key=uuid.uuid4().hex)
    for_orders(stack, f"Weekend {uuid.uuid4().hex[:6]}")
    open_checkout(stack, bob)
    assert redeem(stack, bob).status_code == 200
    link_of(stack, bob)
    told = {"channel": "copy", "consent": True}
    answer = stack.proxy("POST", "/storefront/referral-clicks", bob, json=told)
    assert answer.status_code == 202, answer.text


def test_each_event_is_sent_by_what_it_stands_for_and_none_of_a_shop_that_opted_out() -> None:
    with receiving() as receiver:
        only = {"POSTHOG_API_KEY": "phc_test", "POSTHOG_HOST": receiver.url}
        with living(**only) as stack:
            bob = bob_with(stack, 500)
            live_through_all(stack, bob)

            def names() -> list[str]:
                return [one["event"] for one in receiver.posthog]

            every = {one.event for one in product.EVENTS}
            wait_for("each came", lambda: set(names()) == every, 30, lambda: str(names()))
            sent = json.dumps(receiver.posthog)
            assert not [one for one in (SHOP, "alice", bob, "Bob", "example.com") if one in sent]
            assert {one["properties"]["$process_person_profile"] for one in receiver.posthog} == {
                False
            }

            post(stack, "/health/analytics", on="0")
            time.sleep(1)  # what was on its way
            before = names()
            live_through_all(stack, bob)
            stack.install(CHARLIE)  # another merchant's word is their own
            wait_for("Charlie's came", lambda: len(names()) > len(before), 30)
            assert names()[len(before) :] == ["app_installed"]
