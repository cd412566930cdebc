"""Who customers are: known by their newest facts in any order, found by how they begin, forgotten
when deleted.
"""

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app import db, paging
from app.core import reads
from app.core.handlers import handle
from app.core.models import Customer
from app.flow import event as envelope
from app.flow.event import BadEventError, Event
from app.paging import Cursor
from tests.points.world import ALICE, BOB, fact, line, paid

pytestmark = pytest.mark.usefixtures("stores")
CHARLIES = "charlie.myshopify.com"
MARCH = datetime(2026, 3, 1, 12, tzinfo=UTC)


def told(
    name: str,
    day: int,
    customer: str = BOB,
    topic: str = "customer.updated",
    shop: str = ALICE,
    **more: Any,
) -> Event:
    at = MARCH + timedelta(days=day)
    data = {"customer_id": customer, "name": name, "updated_at": at.isoformat(), **more}
    return fact(topic, data, shop, at)


def bought(order: str, name: str, day: int, customer: str = BOB, test: bool = False) -> Event:
    at = MARCH + timedelta(days=day)
    data = {
        "order_id": order,
        "currency": "USD",
        "lines": [],
        "customer_id": customer,
        "test": test,
        "processed_at": at.isoformat(),
        "customer": {"id": customer, "name": name, "email": f"{name.lower()}@example.com"},
    }
    return fact("order.paid", data, at=at)


def deleted(day: int, customer: str = BOB) -> Event:
    return fact("customer.deleted", {"customer_id": customer}, at=MARCH + timedelta(days=day))


async def deliver(*events: Event) -> None:
    async with db.transaction() as conn:
        await handle(conn, list(events))


async def bob() -> reads.CustomerInfo:
    return (await reads.customers(ALICE, [BOB]))[BOB]


async def names(search: str = "", shop: str = ALICE) -> list[str]:
    page = await (
        reads.find_customers(shop, search, 25) if search else reads.customers_by_name(shop, 25)
    )
    return [one.name for one in page.customers]


async def test_the_newest_profile_wins_and_orders_only_name_who_has_none() -> None:
    await deliver(bought("2", "Rob", 2))
    assert (await bob()).name == "Rob"
    await deliver(bought("1", "Bob", 1), bought("3", "Bobby", 3))
    assert ((await bob()).name, (await bob()).first_order_id) == ("Bob", "1")
    await deliver(told("Robert", 5, email="robert@example.com", consent="subscribed"))
    await deliver(told("Older", 4), bought("0", "Zero", 0))
    found = await bob()
    assert (found.name, found.email, found.consent) == (
        "Robert",
        "robert@example.com",
        "subscribed",
    )
    assert (found.first_order_id, found.first_order_at) == ("0", MARCH)


async def test_a_deletion_is_final_and_leaves_nothing_personal() -> None:
    await deliver(deleted(5, "ghost"))
    await deliver(told("Bob", 1, email="bob@example.com"), bought("1", "Bob", 1))
    await deliver(deleted(6), told("Bob again", 7))
    await deliver(told("Late", 9), bought("2", "Late", 9), bought("3", "Late", 9, "ghost"))
    rows = await Customer.filter(shop=ALICE).order_by("customer_id")
    assert [(row.customer_id, row.name, row.email, row.consent) for row in rows] == [
        (BOB, "", "", ""),
        ("ghost", "", "", ""),
    ]
    assert (rows[0].deleted_at, rows[0].first_order_id) == (MARCH + timedelta(days=6), "1")
    assert await names() == []
    assert await names("late") == []
    assert await reads.names(ALICE, [BOB, "ghost", "nobody"]) == {}


async def test_facts_in_any_order_and_any_batches_say_the_same() -> None:
    facts = [
        bought("2", "Rob", 2),
        bought("1", "Bob", 1),
        bought("0", "Test", 0, test=True),
        told("Robert", 3, email="robert@example.com"),
        told("Roberta", 3, email="roberta@example.com"),
        told("Bobby", 4),
        told("Bobbie", 2, topic="customer.created", consent="subscribed"),
        told("Bobbie", 1, consent="pending"),
    ]
    seen = set()
    shuffled = random.Random(5)
    for number, is_deleted in itertools.product(range(12), (False, True)):
        events = [*facts, deleted(5)] if is_deleted else list(facts)
        shuffled.shuffle(events)
        shop = f"shop-{number}-{is_deleted}.myshopify.com"
        events = [envelope.msgspec.structs.replace(one, shop=shop, key=shop) for one in events]
        while events:
            size = shuffled.randint(1, 4)
            batch, events = events[:size], events[size:]
            await deliver(*batch)
            if shuffled.random() < 0.3:
                await deliver(*batch)
        found = (await reads.customers(shop, [BOB]))[BOB]
        seen.add((is_deleted, found))
    assert {(was, one.name, one.consent, one.first_order_id) for was, one in seen} == {
        (False, "Bobby", "subscribed", "1"),
        (True, "", "", "1"),
    }
    assert len(seen) == 2


async def test_guests_are_nobody_and_other_shops_have_their_own() -> None:
    await deliver(
        paid("1", line("1.00"), customer=None), told("Bob", 1), told("Rob", 1, shop=CHARLIES)
    )
    assert (await names(), await names(shop=CHARLIES)) == (["Bob"], ["Rob"])
    assert await names("rob") == []


async def test_a_fact_that_does_not_say_when_is_refused_for_good() -> None:
    data = {"customer_id": BOB, "name": "Bob"}
    odd = envelope.new(
        "customer.updated", ALICE, ALICE, data, trace="1", occurred_at="last Tuesday"
    )
    with pytest.raises(BadEventError) as refused:
        await deliver(odd)
    assert refused.value.permanent


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("zoë", ["Zoë Ørsted-Müller"]),
        ("ZOE", ["Zoë Ørsted-Müller"]),
        ("smith", ["Anna Smith", "Smith & Sons"]),
        ("anna  SM", ["Anna Smith"]),
        ("anna@", ["Anna Smith"]),
        ("x" * 150, ["Smith & Sons"]),
        ("ANNA@Example.com", ["Anna Smith"]),
        ("7002", ["Anna Smith"]),
        ("محمد", ["محمد"]),
        ("mith", []),
        ("700", []),
        ("%", []),
        ("_", []),
        ("\\", []),
        ("'; DROP TABLE customers --", []),
        ("\u0301", []),
        ("\U0010ffff\U0010ffff", []),
        ("y" * 5_000, []),
    ],
)
async def test_search_finds_what_begins_so_and_whole_ids(search: str, found: list[str]) -> None:
    await deliver(
        told("Zoë Ørsted-Müller", 1, "7001"),
        told("Anna Smith", 1, "7002", email="anna@example.com"),
        told("Smith & Sons", 1, "7003", email="x" * 320),
        told("محمد", 1, "7004"),
        told("", 1, "7005"),
    )
    assert await names(search) == found


async def test_names_longer_than_an_index_can_hold_are_kept_whole() -> None:
    long = "ﷺ" * 600
    await deliver(told(long, 1, email="𝄞" * 320))
    assert (await bob()).name == long[:512]


async def test_customers_by_name_come_in_pages_each_once_while_others_are_added() -> None:
    await deliver(*(told(f"name {number:02d}", 1, f"{number}") for number in range(60)))
    await deliver(told("", 1, "7099"))
    seen, at, pages = [], None, 0
    while True:
        page = await reads.customers_by_name(ALICE, 25, at)
        seen += [one.name for one in page.customers]
        pages += 1
        await deliver(told(f"name 00 {pages}", 1, f"8{pages}"), told("zz", 1, f"9{pages}"))
        if not page.links.next:
            break
        at = paging.cursor({"after": page.links.next}, 1)
    assert seen == [f"name {number:02d}" for number in range(60)] + ["zz", "zz", ""]
    back = await reads.customers_by_name(ALICE, 25, Cursor((int(page.links.previous),), True))
    assert [one.name for one in back.customers][-1] == "name 49"
    gone = await reads.customers_by_name(ALICE, 25, Cursor((999_999,)))
    assert gone.customers[0].name == "name 00", "a row that is not there is the first page"


async def test_what_a_search_finds_comes_in_pages_and_says_when_there_is_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await deliver(*(told(f"Ann {number:02d}", 1, f"{number}") for number in range(60)))
    first = await reads.find_customers(ALICE, "ann", 25)
    assert (first.total, first.is_more, len(first.customers)) == (60, False, 25)
    second = await reads.find_customers(ALICE, "ann", 25, Cursor((int(first.links.next),)))
    assert second.customers[0].name == "Ann 25"
    monkeypatch.setattr(reads, "FOUND_MAX", 10)
    many = await reads.find_customers(ALICE, "ann", 25)
    assert (many.total, many.is_more) == (10, True)
