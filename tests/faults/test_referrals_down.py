"""Referrals with their part really stopped, stalled or killed: what people see, and that nothing
is lost or made twice.
"""

import asyncio
import html
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import pytest
import redis

from tests.stack import SHOP, Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.long
CODE = re.compile(r'id="holdfast-code">([^<]+)<')
AWAY = "Referrals temporarily unavailable"


def ask(stack: Stack, customer_id: str) -> dict[str, Any]:
    answer = stack.proxy("POST", "/storefront/referral-link", customer_id, json={})
    assert answer.status_code in {200, 202}, answer.text
    found: dict[str, Any] = answer.json()["referral"]
    return found


def link_of(stack: Stack, customer_id: str) -> str:
    """The code of a member's link, once it is there."""
    ask(stack, customer_id)
    wait_for(
        "the link is ready", lambda: stack.me(customer_id)["referral"]["status"] == "ready", 40
    )
    return str(stack.me(customer_id)["referral"]["url"].rpartition("/")[2])


def claim(stack: Stack, link: str, email: str) -> str:
    """The page a friend sees after a claim from a connection of their own."""
    number = uuid.uuid4().int
    headers = {
        "X-Forwarded-For": f"198.51.{number % 250}.{number // 250 % 250}",
        "User-Agent": "Safari on a phone",
    }
    answer = stack.proxy(
        "POST", f"/storefront/r/{link}", None, data={"email": email}, headers=headers
    )
    assert answer.status_code in {200, 202}, answer.text
    return answer.text


def code_in(page: str) -> str:
    found = CODE.search(page)
    return html.unescape(found[1]) if found else ""


def sql(stack: Stack, statement: str, *values: Any) -> Any:
    async def run() -> Any:
        conn = await asyncpg.connect(stack.environment["DATABASE_URL"])
        try:
            return await conn.fetchval(statement, *values)
        finally:
            await conn.close()

    with ThreadPoolExecutor(1) as beside:  # a browser's loop may run here
        return beside.submit(asyncio.run, run()).result()


def new_member(stack: Stack) -> str:
    return stack.customer(f"Member{uuid.uuid4().hex[:6]}")


def let_hours_pass(stack: Stack) -> None:
    """As if the links so far were of yesterday."""
    sql(stack, "UPDATE referral_links SET made_at = made_at - interval '1 day'")
    with redis.Redis(port=stack.ports["redis"]) as client:
        for key in client.scan_iter("limit:referral_links:*"):
            client.delete(key)


@pytest.fixture
def stack_here(whole_stack: Stack) -> Stack:
    whole_stack.install()
    let_hours_pass(whole_stack)
    return whole_stack


def test_a_friend_goes_the_whole_way_and_the_advocate_is_told_of(stack_here: Stack) -> None:
    stack = stack_here
    bob = new_member(stack)
    link = link_of(stack, bob)
    email = f"{uuid.uuid4().hex[:8]}@example.org"
    code = code_in(claim(stack, link, email))
    assert code.startswith("FRIEND-")
    discounts = stack.control("GET", f"shops/{SHOP}/discounts")
    assert sum(one["code"] == code for one in discounts) == 1
    friend = stack.control(
        "POST", f"shops/{SHOP}/customers", {"first_name": "Fay", "last_name": "F", "email": email}
    )
    stack.order(str(friend["id"]), "80.00", discount_codes=[code])
    wait_for(
        "the order counts",
        lambda: sql(stack, "SELECT state FROM referrals WHERE code = $1", code) == "ordered",
        20,
    )
    sql(stack, "UPDATE referrals SET due_at = now() WHERE code = $1", code)
    wait_for(
        "it is rewarded",
        lambda: sql(stack, "SELECT state FROM referrals WHERE code = $1", code) == "completed",
        30,
    )
    stack.wait_for_points(bob, 100, 20)
    wait_for(
        "the member reads it",
        lambda: stack.me(bob)["referral"]["counts"]["completed"] == 1,
        45,  # what others do to one's own link is shown after half a minute
    )


@pytest.mark.parametrize("way", ["stopped", "hanging"])
def test_with_the_part_away_the_panel_says_so_the_rest_is_intact_and_nothing_is_lost(
    stack_here: Stack, way: str
) -> None:
    stack = stack_here
    bob = new_member(stack)
    link = link_of(stack, bob)
    url = stack.me(bob)["referral"]["url"]
    if way == "stopped":
        stack.stop_long_ago("referrals")
    else:
        stack.pause("referrals")
    wait_for("home says so", lambda: AWAY in stack.open_admin("/").text, 20)
    home = stack.open_admin("/")
    assert home.status_code == 200
    assert "Your program" in home.text or "Your first points" in home.text
    assert home.text.count(AWAY) == 1, "one panel says so"
    assert "updates are on their way" not in home.text, "the rest of home is live"
    page = stack.open_admin("/referrals")
    assert page.status_code == 200
    assert AWAY in page.text
    for one in (home, page):
        assert one.elapsed.total_seconds() < 3
    assert stack.me(bob)["referral"]["url"] == url, "the shopper keeps the link"
    stack.control("POST", "shopify", {"mode": "gone"})
    email = f"{uuid.uuid4().hex[:8]}@example.org"
    assert "on its way" in claim(stack, link, email)
    stack.control("POST", "shopify", {"mode": "normal"})
    while ask(stack, new_member(stack))["status"] == "ready":
        pass  # the hour's links are used up
    late = new_member(stack)
    assert ask(stack, late)["message"] == "Your link is on its way."
    let_hours_pass(stack)
    if way == "stopped":
        stack.start("referrals")
    else:
        stack.resume("referrals")
    link_of(stack, late)
    wait_for("the code is there", lambda: code_in(claim(stack, link, email)) != "", 60)
    wait_for("the panel is back", lambda: AWAY not in stack.open_admin("/").text, 20)


def test_with_its_tables_stalled_pages_wait_no_longer_and_a_wish_for_a_link_is_queued(
    stack_here: Stack,
) -> None:
    stack = stack_here
    bob, carol = new_member(stack), new_member(stack)
    link_of(stack, bob)
    url = stack.me(bob)["referral"]["url"]
    assert stack.open_admin("/").status_code == 200

    async def stalled() -> None:
        conn = await asyncpg.connect(stack.environment["DATABASE_URL"])
        try:
            async with conn.transaction():
                await conn.execute("LOCK TABLE referral_links, referrals IN ACCESS EXCLUSIVE MODE")
                await asyncio.to_thread(look)
        finally:
            await conn.close()

    def look() -> None:
        home = stack.open_admin("/")
        assert home.status_code == 200
        assert home.elapsed.total_seconds() < 3
        assert "Referrals as of" in home.text or AWAY in home.text
        own = stack.open_admin("/referrals/queue")
        assert own.status_code == 200
        assert AWAY in own.text
        assert stack.me(bob)["referral"]["url"] == url
        answer = stack.proxy("POST", "/storefront/referral-link", carol, json={})
        assert answer.status_code == 202
        assert answer.json()["referral"]["message"] == "Your link is on its way."

    asyncio.run(stalled())
    wait_for(
        "the wish is in the queue",
        lambda: (
            sql(stack, "SELECT count(*) FROM referral_links WHERE customer_id = $1", carol) == 1
        ),
        30,
    )
    link_of(stack, carol)


def test_fifty_links_are_ten_at_once_and_forty_later_none_twice_across_a_kill_and_a_restart(
    stack_here: Stack,
) -> None:
    stack = stack_here
    members = [new_member(stack) for _ in range(50)]
    for member in members:
        ask(stack, member)
    ready = "SELECT count(*) FROM referral_links WHERE customer_id = ANY($1) AND status = 'ready'"
    assert sql(stack, ready, members) == 10
    stack.kill("referrals", "web")
    stack.start("web", "referrals")
    for made in (20, 30, 40, 50):
        let_hours_pass(stack)
        wait_for("ten more", lambda made=made: sql(stack, ready, members) >= made, 40)
        stack.kill("referrals")
        stack.start("referrals")
    distinct = "SELECT count(DISTINCT code) FROM referral_links WHERE customer_id = ANY($1)"
    assert sql(stack, distinct, members) == 50
    assert all(ask(stack, member)["status"] == "ready" for member in members)


def test_a_code_whose_answer_is_lost_with_the_process_killed_is_one_code(
    stack_here: Stack,
) -> None:
    stack = stack_here
    link = link_of(stack, new_member(stack))
    before = len(stack.control("GET", f"shops/{SHOP}/discounts"))
    # each answer of Shopify comes late, and web does not wait for the second one
    stack.control("POST", "shopify", {"mode": "late", "seconds": 3})
    email = f"{uuid.uuid4().hex[:8]}@example.org"
    assert code_in(claim(stack, link, email)) == ""
    stack.kill("referrals")
    stack.start("referrals")
    wait_for(
        "Shopify did the work",
        lambda: len(stack.control("GET", f"shops/{SHOP}/discounts")) > before,
        60,
    )
    stack.control("POST", "shopify", {"mode": "normal"})
    wait_for("the code is there", lambda: code_in(claim(stack, link, email)) != "", 60)
    assert len(stack.control("GET", f"shops/{SHOP}/discounts")) == before + 1
