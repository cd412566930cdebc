"""Whose data the pages show, what they show, and that all of it is text."""

import html
import re
import uuid
from datetime import datetime, timedelta
from typing import Any

from app import calendar, db
from app.flow.models import DeadLetter
from app.points.ledger import freezing
from tests.admin.staff import buys, set_aside, text
from tests.points import world
from tests.points.world import ALICE, BOB

NASTY = 'Zoë "Quote" O\'Neil <script>alert(1)</script> محمد 𠮷'

# who may see what


async def test_the_address_alone_opens_no_page(http) -> None:
    answer = await http.get("/customers", params={"shop": ALICE}, headers={"Accept": "text/html"})
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("/auth/patch-id-token?")


async def test_a_change_needs_the_token_as_bearer(http, alice) -> None:
    await buys()
    path = f"/customers/{BOB}/adjust?id_token={alice.token()}&shop={ALICE}"
    answer = await http.post(path, data={"points": "50", "reason": "by a link", "key": "k" * 12})
    assert answer.status_code == 401
    assert answer.headers["x-shopify-retry-invalid-session-request"] == "1"
    assert await world.figures() == {"available": 49}


async def test_another_shops_customer_is_not_found(alice, charlie) -> None:
    await buys()
    assert (await alice.get(f"/customers/{BOB}")).status_code == 200
    for answer in (
        await charlie.get(f"/customers/{BOB}"),
        await charlie.get(f"/customers/{BOB}", shop=ALICE),
    ):
        assert answer.status_code == 404
        assert "no such" in text(answer)
        assert "Bob Buyer" not in answer.text
    taken = await charlie.post(
        f"/customers/{BOB}/adjust", points="-49", reason="mine now", key=str(uuid.uuid4())
    )
    assert taken.status_code in {404, 422}
    assert await world.figures() == {"available": 49}


async def test_another_shops_customers_are_in_no_list_and_no_figure(alice, charlie) -> None:
    await buys()
    assert "Bob Buyer" in text(await alice.get("/customers"))
    for path in ("/", "/customers", "/customers?q=bob"):
        assert "Bob Buyer" not in text(await charlie.get(path))
    assert "Your first points" in text(await charlie.get("/"))


async def test_another_shops_reward_cannot_be_edited(alice, charlie) -> None:
    await alice.post("/program/rewards", title="Five off", cost="100", amount_off="5.00")
    reward_id = await world.one("SELECT id FROM rewards WHERE shop = $1", ALICE)
    for path in (f"/program/rewards/{reward_id}", f"/program/rewards/{reward_id}/switch"):
        answer = await charlie.post(path, title="Mine", cost="1", amount_off="500")
        assert answer.status_code == 404
    assert await world.one("SELECT title FROM rewards WHERE id = $1", reward_id) == "Five off"


async def test_another_shops_dead_letters_are_neither_seen_nor_replayed(alice, charlie) -> None:
    await set_aside(ALICE, "order 1001 is odd")
    letter = await DeadLetter.get(shop=ALICE)
    assert "order 1001 is odd" in text(await alice.get("/health"))
    assert "order 1001 is odd" not in text(await charlie.get("/health"))
    assert (await charlie.post(f"/health/replay/{letter.id}")).status_code == 404
    await charlie.post("/health/replay")
    assert (await DeadLetter.get(id=letter.id)).state == "dead"


async def test_a_page_may_be_framed_by_this_shop_and_admin_only(alice) -> None:
    policy = (await alice.get("/")).headers["content-security-policy"]
    assert f"https://{ALICE}" in policy
    assert "*" not in policy


# what is shown


async def test_names_reasons_and_searches_are_text_whatever_they_hold(alice) -> None:
    await buys(name=NASTY)
    await alice.post(f"/customers/{BOB}/adjust", points="5", reason=NASTY, key=str(uuid.uuid4()))
    await alice.post("/program/rewards", title=NASTY, cost="100", amount_off="5.00")
    await set_aside(ALICE, NASTY)
    for path in (
        "/",
        "/customers",
        "/customers?q=<script>alert(1)</script>",
        f"/customers/{BOB}",
        "/program",
        "/health",
    ):
        answer = await alice.get(path)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text, path
        assert "alert(1)" in answer.text, path


async def test_home_says_what_was_earned_and_by_whom(alice) -> None:
    await buys()
    seen = text(await alice.get("/"))
    assert "Members 1" in seen
    assert "Points outstanding 49" in seen
    assert "Earned in 30 days 49" in seen
    assert "Bob Buyer" in seen
    assert "Nothing needs you" in seen


async def test_home_names_what_was_set_aside(alice) -> None:
    await set_aside(ALICE, "odd")
    assert "1 message from Shopify was set aside" in text(await alice.get("/"))


async def test_every_ledger_row_has_its_why(alice) -> None:
    await world.handle(world.paid("1001", world.line("49.90", 1, "l1")))
    await world.handle(world.refunded("1001", "77", {"l1": 1}))
    page = await alice.get(f"/customers/{BOB}")
    rows = await world.one("SELECT count(*) FROM ledger")
    assert rows >= 2
    assert page.text.count("Why these points") == rows
    assert "refund" in text(page).lower()


async def test_a_member_whose_points_do_not_add_up_is_shown_to_be_on_hold(alice) -> None:
    await buys()
    assert "on hold" not in text(await alice.get(f"/customers/{BOB}"))
    await freezing.freeze(await world.one("SELECT id FROM members"), "a test")
    assert "These points are on hold" in text(await alice.get(f"/customers/{BOB}"))


async def test_search_finds_name_e_mail_and_id_and_says_when_nobody_matches(alice) -> None:
    await buys("7001", "Bob Buyer")
    await buys("7002", "Dina Example")
    for search in ("dina", "7002@example", "7002"):
        seen = text(await alice.get("/customers", q=search))
        assert "Dina Example" in seen, search
        assert "Bob Buyer" not in seen, search
    assert "Nobody matches" in text(await alice.get("/customers", q="%"))


async def test_a_member_core_has_not_heard_of_yet_is_shown_by_number(alice) -> None:
    await buys()
    async with db.connection() as conn:
        await conn.execute("DELETE FROM customers")
    for path in ("/", "/customers", "/customers?sort=points", f"/customers/{BOB}"):
        answer = await alice.get(path)
        assert answer.status_code == 200, path
        assert f"Customer {BOB}" in text(answer), path


async def test_a_customer_without_points_is_shown_as_one(alice) -> None:
    told = {"customer_id": "7009", "name": "Dina", "updated_at": "2026-03-01T00:00:00Z"}
    await world.handle(world.fact("customer.updated", told))
    assert "Dina" not in text(await alice.get("/customers"))
    for path in ("/customers?q=dina", "/customers?sort=name", "/customers/7009"):
        assert "Dina" in text(await alice.get(path)), path
        assert "no points yet" in text(await alice.get(path)).lower(), path
    answer = await alice.post(
        "/customers/7009/adjust", points="5", reason="hello", key=str(uuid.uuid4())
    )
    assert answer.status_code == 404


async def test_a_deleted_customer_is_a_number_with_a_ledger_and_without_one_is_not_listed(
    alice,
) -> None:
    await buys()
    ghost = {"customer_id": "7008", "name": "Late", "updated_at": "2026-03-01T00:00:00Z"}
    gone = [world.fact("customer.deleted", {"customer_id": one}) for one in (BOB, "7008")]
    await world.handle(*gone)
    await world.handle(world.fact("customer.created", ghost))
    seen = text(await alice.get("/customers"))
    assert f"Customer {BOB} deleted in Shopify" in seen
    assert "Late" not in seen
    assert "7008" not in seen
    assert (await alice.get("/customers/7008")).status_code == 200
    assert "Customer 7008" in text(await alice.get("/customers/7008"))
    assert (await alice.get("/customers/7007")).status_code == 404
    assert "Bob Buyer" not in text(await alice.get(f"/customers/{BOB}"))


async def test_the_next_and_previous_pages_are_one_link_away(alice) -> None:
    for number in range(30):
        await buys(f"71{number:02d}", f"Buyer {number:02d}")
    for query in ("", "?sort=points", "?sort=name", "?q=buyer"):
        first = await alice.get(f"/customers{query}")
        assert first.text.count('class="name"') == 25, query
        assert "30 customers" in text(first) or "30 found" in text(first), query
        second = await alice.get(linked(first, "next"))
        assert second.text.count('class="name"') == 5, query
        assert 'rel="next"' not in second.text, query
        again = await alice.get(linked(second, "prev"))
        assert names_in(again) == names_in(first), query
        assert not set(names_in(first)) & set(names_in(second)), query


def linked(answer: Any, rel: str) -> str:
    found = re.search(rf'rel="{rel}"\s+href="([^"]*)"', answer.text)
    assert found, f"no {rel} link"
    return html.unescape(found[1])


def names_in(answer: Any) -> list[str]:
    return re.findall(r'class="name"[^>]*>([^<]*)<', answer.text)


async def test_a_page_that_is_no_page_is_the_first(alice) -> None:
    await buys()
    for page in ("-1", "0", "x", "99999999999", "1; DROP TABLE members"):
        answer = await alice.get("/customers", after=page, sort="DROP")
        assert (answer.status_code, "Bob Buyer" in text(answer)) == (200, True), page


async def test_the_balance_of_a_day_is_that_of_its_end(alice) -> None:
    await buys()
    today = datetime.now(calendar.zone("Europe/Berlin")).date()
    assert "49 available" in text(await alice.get(f"/customers/{BOB}", at=today.isoformat()))
    before = (today - timedelta(days=1)).isoformat()
    assert "0 available" in text(await alice.get(f"/customers/{BOB}", at=before))
    assert "Please give a date" in text(await alice.get(f"/customers/{BOB}", at="31.12.2026"))


async def test_links_carry_what_shopify_needs_and_never_a_token(alice) -> None:
    answer = await alice.get(
        "/", shop=ALICE, host="aG9zdA", embedded="1", id_token="secret", session="s"
    )
    assert f"/customers?shop={ALICE}&amp;host=aG9zdA&amp;embedded=1" in answer.text
    assert "secret" not in answer.text


async def test_a_new_shop_has_rewards_from_the_first_look_on(alice) -> None:
    await alice.get("/")
    seen = text(await alice.get("/program"))
    assert "100 points for $5.00 off the next order" in seen
    assert "500 points for $30.00 off the next order" in seen
    assert "in Europe/Berlin" in seen
    await alice.get("/")
    assert await world.one("SELECT count(*) FROM program_versions WHERE shop = $1", ALICE) == 1
