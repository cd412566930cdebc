"""A customer's history: an event a line in the order it happened, filtered, paged and saved."""

import csv
import io
import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from app import db, paging
from app.points.ledger import actions as ledger
from app.points.members import history, reads
from app.points.members.history import Asked
from app.points.pages import spreadsheet
from tests.admin.staff import text
from tests.points import world
from tests.points.world import ALICE, BOB, days_ago, line, paid, program, refunded

pytestmark = pytest.mark.usefixtures("stores")


async def test_events_are_in_the_order_they_happened_and_not_in_that_they_were_told(alice) -> None:
    await world.handle(paid("2", line("20.00"), at=days_ago(2)))
    await world.handle(paid("3", line("30.00"), at=days_ago(1)))
    await world.handle(paid("1", line("10.00"), at=days_ago(3)))
    events = (await reads.member(ALICE, BOB)).events
    assert [event.order_id for event in events] == ["3", "2", "1"]
    seen = text(await alice.get(f"/customers/{BOB}"))
    assert seen.index("Order #3") < seen.index("Order #2") < seen.index("Order #1")


async def test_what_one_thing_did_is_one_event_with_all_its_movements() -> None:
    await world.handle(paid("1", line("50.00", 1, "l1")))
    await ledger.adjust(ALICE, BOB, -30, "spent at the till", "a1", "7")
    await program(clawback="debt")
    await world.handle(refunded("1", "77", {"l1": 1}))
    refund, adjusted, earned = (await reads.member(ALICE, BOB)).events
    assert [row.effect for row in refund.rows] == ["reverse.available", "reverse.debt"]
    assert (refund.kind, refund.order_id, refund.change) == ("taken_back", "1", -20)
    assert (adjusted.kind, adjusted.rows[0].by, adjusted.change) == ("adjusted", "7", -30)
    assert (earned.kind, earned.change) == ("earned", 50)
    await world.handle(paid("2", line("80.00")))
    again = (await reads.member(ALICE, BOB)).events[0]
    assert [row.effect for row in again.rows] == ["earn", "repay"]
    assert again.change == 50


async def test_an_order_links_to_shopify_and_no_bucket_is_named(alice) -> None:
    await world.handle(paid("1001", line("49.90")))
    page = await alice.get(f"/customers/{BOB}")
    assert 'href="shopify://admin/orders/1001"' in page.text
    assert "→" not in text(page)
    assert "issued" not in text(page)


async def test_events_are_chosen_by_kind_and_by_the_shops_days(alice) -> None:
    # ten minutes before and after midnight in Berlin
    midnight = datetime(2026, 3, 9, 23, 0, tzinfo=UTC)
    await world.handle(paid("1", line("10.00"), at=midnight - timedelta(minutes=10)))
    await world.handle(paid("2", line("20.00"), at=midnight + timedelta(minutes=10)))
    await ledger.adjust(ALICE, BOB, 5, "hello", "a1", "7")
    for query, orders in (
        ({"kind": "earned"}, {"1", "2"}),
        ({"kind": "adjusted"}, set()),
        ({"from": "2026-03-10", "to": "2026-03-10"}, {"2"}),
        ({"to": "2026-03-09"}, {"1"}),
        ({"kind": "nonsense"}, {"1", "2"}),
    ):
        page = await alice.get(f"/customers/{BOB}", **query)
        assert set(re.findall(r"admin/orders/(\d+)", page.text)) == orders, query
    page = await alice.get(f"/customers/{BOB}", **{"from": "10.3.2026"})
    assert "Please give a day" in text(page)
    seen = text(await alice.get(f"/customers/{BOB}", kind="expired"))
    assert "Nothing like this happened" in seen


async def test_a_kind_of_movement_nobody_foresaw_is_shown_and_found() -> None:
    await world.handle(paid("1", line("10.00")))
    async with db.connection() as conn:
        await conn.execute("UPDATE ledger SET effect = 'merge'")
    detail = await reads.member(ALICE, BOB)
    assert [event.kind for event in detail.events] == ["other"]
    others = await reads.member(ALICE, BOB, asked=Asked("other"))
    assert [event.kind for event in others.events] == ["other"]
    assert (await reads.member(ALICE, BOB, asked=Asked("earned"))).events == []


@pytest.mark.parametrize("behind", [history.LONG, 30])
async def test_every_event_is_on_one_page_also_behind_the_first_thousand(
    monkeypatch: pytest.MonkeyPatch, behind: int
) -> None:
    """The statement reads a long ledger from two sides; a small one lets a test see both."""
    for name in ("SELECT_FIRST", "SELECT_FIRST_BACKWARDS"):
        statement = getattr(history, name).replace(str(history.LONG), str(behind))
        monkeypatch.setattr(history, name, statement)
    orders = [paid(str(number), line("1.00"), at=days_ago(number % 7)) for number in range(60)]
    await world.handle(*orders)
    pages, links, at = [], None, None
    while links is None or links.next:
        detail = await reads.member(ALICE, BOB, at)
        pages.append(detail.events)
        links = detail.events_links
        at = paging.cursor({"after": links.next}, reads.EVENT_KEYS)
    assert [len(page) for page in pages] == [25, 25, 10]
    found = [event for page in pages for event in page]
    assert {event.order_id for event in found} == {str(number) for number in range(60)}
    moments = [event.effective_at for event in found]
    assert moments == sorted(moments, reverse=True)
    back = paging.cursor({"before": links.previous}, reads.EVENT_KEYS)
    assert (await reads.member(ALICE, BOB, back)).events == pages[1]


async def test_the_file_has_what_the_page_lists_and_runs_nothing(alice, charlie) -> None:
    await world.handle(paid("1001", line("49.90")), paid("1002", line("10.00")))
    await ledger.adjust(ALICE, BOB, 5, "=HYPERLINK(1)", "a1", "7")
    page = await alice.get(f"/customers/{BOB}")
    assert f"/customers/{BOB}/points.csv" in page.text
    answer = await alice.get(f"/customers/{BOB}/points.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert f'filename="points-{BOB}.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row["Order"], row["Points"]) for row in rows] == [
        ("", "5"),
        ("#1002", "10"),
        ("#1001", "49"),
    ]
    assert rows[0]["By"] == "7"
    assert not any(value.startswith(("=", "+", "@")) for row in rows for value in row.values())
    some = await alice.get(f"/customers/{BOB}/points.csv", kind="adjusted")
    assert some.text.count("\n") == 2
    assert (await charlie.get(f"/customers/{BOB}/points.csv")).status_code == 404


async def test_a_file_that_is_cut_says_so(alice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet, "EVENTS_MAX", 4)
    monkeypatch.setattr(spreadsheet, "AT_ONCE", 2)
    await world.handle(*(paid(str(number), line("1.00")) for number in range(5)))
    answer = await alice.get(f"/customers/{BOB}/points.csv")
    assert len(answer.text.strip().splitlines()) == 1 + 4 + 1
    assert "These are the latest 4" in answer.text


async def test_notes_name_who_wrote_them_once_a_form_and_go_with_the_customer(
    alice, charlie
) -> None:
    await world.handle(paid("1", line("10.00")))
    key = str(uuid.uuid4())
    for _ in range(2):
        saved = await alice.post(f"/customers/{BOB}/notes", note="Likes <b>tea</b>", key=key)
        assert saved.status_code == 200
    page = await alice.get(f"/customers/{BOB}")
    assert page.text.count("Likes &lt;b&gt;tea&lt;/b&gt;") == 1
    assert "by staff 42" in text(page)
    other = await alice.post(f"/customers/{BOB}/notes", note="Something else", key=key)
    assert other.status_code == 409
    assert "Something else" in other.text
    for note in ("", "x" * 1_001):
        refused = await alice.post(f"/customers/{BOB}/notes", note=note, key=str(uuid.uuid4()))
        assert refused.status_code == 400
    stranger = await charlie.post(f"/customers/{BOB}/notes", note="mine", key=str(uuid.uuid4()))
    assert stranger.status_code == 404
    for number in range(6):
        await alice.post(f"/customers/{BOB}/notes", note=f"Note {number}", key=str(uuid.uuid4()))
    seen = text(await alice.get(f"/customers/{BOB}"))
    assert "Note 5" in seen
    assert "Note 0" not in seen
    await world.handle(world.fact("customer.deleted", {"customer_id": BOB}))
    assert await world.one("SELECT count(*) FROM customer_notes") == 0
