"""The page about corrections: what was corrected, for whom, and why, in one's own shop alone."""

from datetime import timedelta

from app import db
from app.points.corrections import actions, reads
from app.points.earning.orders import Corrected
from app.points.pages import corrections as page
from tests.admin.staff import buys, text
from tests.points import world
from tests.points.world import ALICE, BOB

WHY = "Tax inside prices was counted <script>alert(1)</script>."


async def corrected(count: int = 1, shop: str = ALICE) -> None:
    async with db.transaction() as conn:
        for number in range(1, count + 1):
            one = Corrected(shop, f"{number}", f"#{number}", BOB, 120, 100, WHY)
            await actions.keep(conn, [one], world.now() + timedelta(seconds=number))


async def test_without_any_it_says_what_would_be_here(alice) -> None:
    shown = text(await alice.get("/corrections"))
    assert "Nothing had to be corrected." in shown
    assert "nothing is changed in silence" in shown


async def test_each_names_order_customer_points_before_and_after_and_the_reason(alice) -> None:
    await buys()
    await corrected()
    answer = await alice.get("/corrections")
    change = "\N{MINUS SIGN}20"
    assert f"#1 Bob Buyer 120 100 {change} Tax inside prices was counted <script>" in text(answer)
    assert "<script>alert" not in answer.text
    assert f"/customers/{BOB}" in answer.text


async def test_a_customer_core_does_not_know_is_a_number(alice) -> None:
    await corrected()
    assert f"Customer {BOB}" in text(await alice.get("/corrections"))


async def test_another_shops_corrections_are_not_shown(charlie) -> None:
    await corrected()
    assert "Nothing had to be corrected." in text(await charlie.get("/corrections"))


async def test_a_long_list_is_paged_both_ways_with_the_newest_first(alice) -> None:
    await corrected(reads.PAGE_SIZE + 7)
    first = await alice.get("/corrections")
    assert f"#{reads.PAGE_SIZE + 7} " in text(first)
    assert "#7 " not in text(first)
    found = await reads.newest(ALICE, None)
    assert len(found.corrections) == reads.PAGE_SIZE
    second = await alice.get("/corrections", after=found.links.next)
    assert "#7 " in text(second)
    assert "Next" not in text(second)
    last = await reads.newest(ALICE, page.paging.cursor({"after": found.links.next}, reads.KEYS))
    back = await alice.get("/corrections", before=last.links.previous)
    assert f"#{reads.PAGE_SIZE + 7} " in text(back)
