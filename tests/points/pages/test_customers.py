"""Customers as the merchant sees them: found, listed in pages, each row with its why."""

import html
import re
import uuid
from datetime import datetime, timedelta
from typing import Any

from app import calendar, db
from app.points.ledger import freezing
from tests.admin.staff import buys, text
from tests.points import world
from tests.points.world import BOB


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
        assert 'class="next"' not in second.text, query
        again = await alice.get(linked(second, "previous"))
        assert names_in(again) == names_in(first), query
        assert not set(names_in(first)) & set(names_in(second)), query


def linked(answer: Any, way: str) -> str:
    found = re.search(rf'href="([^"]*)"\s+class="{way}"', answer.text)
    assert found, f"no {way} link"
    return html.unescape(found[1])


def names_in(answer: Any) -> list[str]:
    return re.findall(r'class="name"><bdi>([^<]+)<', answer.text)


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
