"""Whose data the pages show, what they show, and that all of it is text."""

import re
import uuid

import pytest

from app import db
from app.flow.models import DeadLetter
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
    await alice.post("/rewards", kind="amount_off", title="Five off", cost="100", amount_off="5.00")
    reward_id = await world.one("SELECT id FROM rewards WHERE shop = $1", ALICE)
    for path in (f"/rewards/{reward_id}", f"/rewards/{reward_id}/switch"):
        answer = await charlie.post(
            path, kind="amount_off", title="Mine", cost="1", amount_off="500"
        )
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
    await alice.post("/rewards", kind="amount_off", title="A mug", cost="100", amount_off="5.00")
    async with db.connection() as conn:  # named before such names were refused
        await conn.execute("UPDATE rewards SET title = $1", NASTY)
    await set_aside(ALICE, NASTY)
    for path in (
        "/",
        "/customers",
        "/customers?q=<script>alert(1)</script>",
        f"/customers/{BOB}",
        "/rewards",
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


async def test_links_carry_what_shopify_needs_and_never_a_token(alice) -> None:
    answer = await alice.get(
        "/", shop=ALICE, host="aG9zdA", embedded="1", id_token="secret", session="s"
    )
    assert f"/customers?shop={ALICE}&amp;host=aG9zdA&amp;embedded=1" in answer.text
    assert "secret" not in answer.text


async def test_a_new_shop_has_rewards_from_the_first_look_on(alice) -> None:
    await alice.get("/")
    seen = text(await alice.get("/rewards"))
    assert "5.00 off Amount off $5.00 100 points On offer" in seen
    assert "30.00 off Amount off $30.00 500 points On offer" in seen
    assert seen.count("Europe/Berlin") == 1
    await alice.get("/")
    assert await world.one("SELECT count(*) FROM program_versions WHERE shop = $1", ALICE) == 1


async def test_every_page_of_its_own_stands_in_the_navigation_and_is_marked_there(alice) -> None:
    titles = ("Home", "Customers", "Program", "Rewards", "Tiers", "Ways to earn", "Corrections")
    paths = ("/", "/customers", "/program", "/rewards", "/tiers", "/ways", "/corrections")
    titles += ("Campaigns", "Referrals", "Appearance", "Health")
    paths += ("/campaigns", "/referrals", "/appearance", "/status")
    for path, title in zip(paths, titles, strict=True):
        answer = await alice.get(path)
        assert f"Holdfast {' '.join(titles)}" in text(answer)
        marked = re.findall(r'aria-current="page"[^>]*>([^<]*)<', answer.text)
        assert marked == [title]


@pytest.mark.parametrize("rendering", ["", "native"])
async def test_without_scripts_it_says_that_nothing_can_be_saved(alice, rendering: str) -> None:
    answer = await alice.get("/program", rendering=rendering)
    [noscript] = re.findall(r"<noscript>(.*?)</noscript>", answer.text, re.DOTALL)
    assert "nothing can be saved" in noscript


async def test_a_native_page_leads_to_native_pages_and_has_nothing_of_polaris(alice) -> None:
    for path in ("/", "/customers", "/program", "/health", "/nowhere"):
        answer = await alice.get(path, rendering="native")
        _, _, page = answer.text.partition("</s-app-nav>")
        assert "<s-" not in page, path
        assert "polaris" not in answer.headers["link"]
        leading = re.findall(r'(?:href|action|hx-get|hx-post)="(/[^"]*)"', page)
        assert leading
        assert all("rendering=native" in one for one in leading if "/static/" not in one), path
    odd = await alice.get("/", rendering="<b>")
    assert "<s-page" in odd.text
    assert "<b>" not in odd.text
