"""Customers by balance, by when they joined and when they ordered last: all of them, in pages."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from app import db, paging
from app.points.members import filters, reads
from app.points.members.filters import Wanted
from tests.admin.staff import text
from tests.points import world
from tests.points.world import ALICE, days_ago, line, paid

JOINED = datetime(2026, 3, 1, tzinfo=UTC)


async def members(number: int) -> None:
    """Customers c0, c1 … with 1, 2 … points; each joined a day later and ordered a day earlier."""
    await world.handle(
        *(
            paid(
                f"9{place}",
                line(f"{place + 1}.00"),
                customer=f"{7100 + place}",
                at=days_ago(place),
            )
            for place in range(number)
        )
    )
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE members SET joined_at ="
            " $1::timestamptz + (customer_id::int - 7100) * interval '1 day'",
            JOINED,
        )


async def all_pages(wanted: Wanted) -> list[str]:
    found, at = [], None
    while True:
        page = await reads.wanted_members(ALICE, wanted, at)
        found += [customer for customer, _ in page.rows]
        at = paging.cursor({"after": page.links.next}, reads.MEMBER_KEYS)
        if at is None:
            return found


def named(*places: int) -> list[str]:
    return [f"{7100 + place}" for place in places]


@pytest.mark.usefixtures("stores")
@pytest.mark.parametrize("walk", [filters.WALK_MAX, 7])
async def test_everybody_who_is_asked_for_is_found_once_however_far_apart(
    monkeypatch: pytest.MonkeyPatch, walk: int
) -> None:
    for name in ("PAGE", "PAGE_BACKWARDS", "END", "END_BACKWARDS"):
        statement = getattr(filters, name).replace(f"LIMIT {filters.WALK_MAX}", f"LIMIT {walk}")
        statement = statement.replace(f"OFFSET {filters.WALK_MAX - 1}", f"OFFSET {walk - 1}")
        monkeypatch.setattr(filters, name, statement)
    monkeypatch.setattr(filters, "ORDERED_MAX", walk)
    monkeypatch.setattr(reads, "PAGE_SIZE", 4)
    await members(30)
    newest = range(29, -1, -1)
    for wanted, expected in (
        (Wanted(balance_from=20), [place for place in newest if place >= 19]),
        (Wanted(balance_from=3, balance_to=5), [4, 3, 2]),
        (Wanted(joined_from=JOINED + timedelta(days=28)), [29, 28]),
        (Wanted(joined_before=JOINED + timedelta(days=2)), [1, 0]),
        (Wanted(ordered_before=days_ago(25)), [*range(25, 30)]),
        (Wanted(ordered_from=days_ago(5.5), balance_to=3), [0, 1, 2]),
        (Wanted(balance_from=31), []),
    ):
        assert await all_pages(wanted) == named(*expected), wanted


@pytest.mark.usefixtures("stores")
async def test_a_page_back_is_the_page_that_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "PAGE_SIZE", 4)
    await members(10)
    for wanted in (Wanted(balance_from=1), Wanted(ordered_before=world.now())):
        first = await reads.wanted_members(ALICE, wanted)
        at = paging.cursor({"after": first.links.next}, 2)
        second = await reads.wanted_members(ALICE, wanted, at)
        back = paging.cursor({"before": second.links.previous}, 2)
        assert (await reads.wanted_members(ALICE, wanted, back)).rows == first.rows


async def test_the_list_says_whom_it_shows_and_keeps_the_filter(alice) -> None:
    await members(30)
    page = await alice.get("/customers", balance_from="2", ordered_to="2100-01-01")
    seen = text(page)
    assert "Customers with at least 2 points, who ordered last up to 1 Jan 2100" in seen
    assert page.text.count('class="name"') == 25
    following = re.search(r'href="([^"]*)"\s+class="next"', page.text)
    assert following
    second = await alice.get(following[1].replace("&amp;", "&"))
    assert second.text.count('class="name"') == 4
    assert 'name="balance_from" label="Points from" value="2"' in second.text
    assert "Nobody matches" in text(await alice.get("/customers", balance_from="900"))
    assert "Please give a day" in text(await alice.get("/customers", joined_from="soon"))
    assert "whole number of points" in text(await alice.get("/customers", balance_to="1e5"))


async def test_the_last_order_never_goes_back_and_tests_and_strangers_do_not_count(alice) -> None:
    first, second = days_ago(20), days_ago(10)
    await world.handle(paid("2", line("1.00"), at=second))
    await world.handle(paid("1", line("1.00"), at=first))
    await world.handle(paid("3", line("1.00"), at=days_ago(1), test=True))
    await world.handle(paid("4", line("1.00"), at=days_ago(1), customer=None))
    known = await world.one("SELECT ordered_at FROM last_orders WHERE shop = $1", ALICE)
    assert known == second
    assert await world.one("SELECT count(*) FROM last_orders") == 1
    assert "last order" in text(await alice.get(f"/customers/{world.BOB}"))


async def test_another_shops_customers_are_in_no_filtered_list(alice, charlie) -> None:
    await members(2)
    for query in ({"balance_from": "1"}, {"ordered_to": "2100-01-01"}):
        assert (await alice.get("/customers", **query)).text.count('class="name"') == 2
        assert 'class="name"' not in (await charlie.get("/customers", **query)).text
