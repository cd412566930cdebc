"""Health: one sentence first, rows that merchants know, and what was set aside by its reason."""

import re

import pytest

from app.flow.models import DeadLetter
from app.resilience import health, reach
from app.shopify import reach as shopify_reach
from tests.admin.staff import set_aside, text
from tests.points.world import ALICE


@pytest.fixture
def shopify(monkeypatch) -> dict[str, bool]:
    """Whether Shopify answers, for a test to change."""
    known = {"answers": True}

    async def answers(*_: object) -> bool:
        return known["answers"]

    monkeypatch.setattr(shopify_reach, "is_shopify_reached", answers)
    return known


def sentence(page: str) -> str:
    found = re.search(r'id="sentence".*?<strong>(.*?)</strong>', page, re.DOTALL)
    assert found
    return found[1]


async def test_when_all_is_well_it_says_so_first(alice, shopify) -> None:
    page = await alice.get("/health")
    assert sentence(page.text) == "Everything works"
    seen = text(page)
    for row in ("Shopify", "Database", "Queue"):
        assert re.search(rf"{row} [A-Za-z ]+? Answering", seen), row
    assert "ircuit" not in seen


async def test_it_says_what_is_away_and_that_nothing_is_lost(
    alice, shopify, stores, monkeypatch
) -> None:
    shopify["answers"] = False
    assert sentence((await alice.get("/health")).text) == (
        "Shopify is not answering; nothing is lost"
    )
    shopify["answers"] = True
    await stores.queue.hdel(health.KEY, "points")
    health.forget()
    behind = sentence((await alice.get("/health")).text)
    assert behind == "Some of Holdfast is behind (points); nothing is lost"
    monkeypatch.setattr(reach, "is_database_reached", lambda: False)
    page = await alice.get("/health")
    assert sentence(page.text) == "The database is not answering; nothing is lost"
    assert re.search(r"Database [a-z ]+? Not answering", text(page))


async def test_its_old_address_still_opens_it(alice) -> None:
    page = await alice.get("/status")
    assert "Health" in text(page)
    assert re.search(r'href="/health"[^>]*aria-current="page"', page.text)


async def test_who_has_this_very_page_already_is_told_so_without_it(alice, shopify) -> None:
    for path in ("/health", "/customers"):
        await alice.get(path)  # so that no connection has to be made within the deadline
        page = await alice.get(path)
        headers = {
            "Authorization": f"Bearer {alice.token()}",
            "If-None-Match": page.headers["etag"],
        }
        again = await alice.http.get(path, headers=headers)
        assert (again.status_code, again.content) == (304, b""), path
    shopify["answers"] = False
    headers["If-None-Match"] = (await alice.get("/health")).headers["etag"]
    shopify["answers"] = True
    assert (await alice.http.get("/health", headers=headers)).status_code == 200


async def test_what_was_set_aside_is_grouped_by_reason_whatever_its_numbers(alice) -> None:
    for number in range(30):
        await set_aside(ALICE, f"order {1000 + number} is odd", f"event-{number}")
        await DeadLetter.filter(reference=f"event-{number}").update(
            reason=f"order {1000 + number} is odd"
        )
    await set_aside(ALICE, "no such customer", "other")
    await DeadLetter.filter(reference="other").update(reason="no such customer")
    await DeadLetter.filter(reference__startswith="event-").update(topic="order.paid")
    for number in range(30):
        await DeadLetter.filter(reference=f"event-{number}").update(
            reason=f"order {1000 + number} is odd"
        )
    page = await alice.get("/health")
    assert page.text.count('id="group-') == 2
    assert "order 1029 is odd 30" in text(page)
    newest = await DeadLetter.filter(reference="event-29").get()
    group = await alice.get(f"/health/set-aside/{newest.id}")
    assert group.text.count('id="letter-') == 20
    assert "30 messages with this reason" in text(group)
    assert "no such customer" not in text(group)


async def test_a_group_is_dismissed_with_a_note_and_comes_back_when_asked(alice, charlie) -> None:
    await set_aside(ALICE, "odd", "event-1")
    await set_aside(ALICE, "odd", "event-2")
    letter = await DeadLetter.filter(reference="event-1").get()
    path = f"/health/dismiss-alike/{letter.id}"
    assert (await charlie.post(path, note="not mine")).status_code == 404
    refused = await alice.post(path, note=" ")
    assert refused.status_code == 422
    assert "Please say why" in text(refused)
    assert (await alice.post(path, note="a test order")).status_code == 200
    assert {row.state for row in await DeadLetter.all()} == {"discarded"}
    seen = text(await alice.get("/health"))
    assert "Nothing was set aside" in seen
    assert "a test order Staff 42" in seen
    assert "set aside" not in text(await alice.get("/"))
    await alice.post("/health/replay")
    assert {row.state for row in await DeadLetter.all()} == {"discarded"}
    await alice.post(f"/health/replay/{letter.id}")
    assert (await DeadLetter.get(id=letter.id)).state == "waiting"


async def test_a_group_is_tried_again_and_the_others_are_not(alice) -> None:
    await set_aside(ALICE, "odd", "event-1")
    await set_aside(ALICE, "odd", "event-2")
    await DeadLetter.filter(reference="event-2").update(reason="even")
    odd = await DeadLetter.filter(reference="event-1").get()
    answer = await alice.post(f"/health/replay-alike/{odd.id}")
    assert "tried again now" in answer.headers["hx-toast"]
    states = {row.reason: row.state for row in await DeadLetter.all()}
    assert states == {"odd": "waiting", "even": "dead"}


async def test_a_message_links_its_order_and_customer_and_nothing_else(alice) -> None:
    await set_aside(ALICE, "odd", "event-1")
    fact = b'{"topic": "order.paid", "data": {"order_id": "9001", "order_name": "#1001",'
    await DeadLetter.filter(reference="event-1").update(payload=fact + b' "customer_id": "7001"}}')
    letter = await DeadLetter.get(reference="event-1")
    page = await alice.get(f"/health/set-aside/{letter.id}")
    assert f'href="https://{ALICE}/admin/orders/9001"' in page.text
    assert 'href="/customers/7001"' in page.text
    await DeadLetter.filter(id=letter.id).update(
        payload=b'{"data": {"order_id": "9001/../x", "customer_id": ["7001"]}}'
    )
    page = await alice.get(f"/health/set-aside/{letter.id}")
    assert page.status_code == 200
    assert "/admin/orders/" not in page.text
    assert "not readable" in text(page)


async def test_the_operators_page_has_the_circuits_and_no_menu_leads_to_it(alice, http) -> None:
    page = await http.get("/operator")
    assert page.status_code == 200
    assert "page reads" in text(page)
    assert "/operator" not in (await alice.get("/")).text
    stranger = await http.get("/operator", headers={"X-Forwarded-For": "203.0.113.9"})
    assert stranger.status_code == 401
    assert "page reads" not in stranger.text


async def test_an_address_in_the_app_where_nothing_is_keeps_the_menu_and_a_way_back(
    alice, http
) -> None:
    answer = await alice.get("/nowhere/at/all", shop=ALICE, embedded="1")
    assert answer.status_code == 404
    assert 'aria-label="Holdfast"' in answer.text
    assert "Back to Home" in text(answer)
    stranger = await http.get("/nowhere")
    assert stranger.status_code == 404
    assert "Back to Home" not in text(stranger)


async def test_a_form_sent_without_scripts_says_in_html_that_nothing_was_saved(http) -> None:
    answer = await http.post(
        f"/rewards?shop={ALICE}&embedded=1",
        data={"title": "Five off", "cost": "100", "amount_off": "5"},
        headers={"Accept": "text/html,application/xhtml+xml"},
    )
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    seen = text(answer)
    assert "Nothing was saved" in seen
    assert "Back to Home" in seen
    assert "frame-ancestors" in answer.headers["content-security-policy"]
