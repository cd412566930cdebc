"""Facts that are told again because they were wrong: points move to what is right, and say why."""

import dataclasses
import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from app import db
from app.flow.event import Event
from app.points import handlers
from app.points.corrections import actions, reads
from app.points.ledger.audit import Report, walk
from app.points.ledger.sentences import sentence
from tests.points import webhooks
from tests.points.webhooks import Shop, Webhook, adjustment, line
from tests.points.world import ALICE, BOB, figures, one, program

WHY = "Tax inside prices was counted."
CHARLIE = "7002"
pytestmark = pytest.mark.usefixtures("stores")


def events(webhook: Webhook, trace: str = "trace-1", why: str = "") -> list[Event]:
    """What the road makes of a webhook; with `why` as it is told again."""
    found = []
    for event in webhooks.events(webhook):
        data = msgspec.json.decode(event.data)
        if why:
            data["corrected"] = why
        raw = msgspec.Raw(msgspec.json.encode(data))
        found.append(msgspec.structs.replace(event, trace=trace, data=raw))
    return found


def wrong(webhook: Webhook) -> Webhook:
    """As it was understood while tax inside prices counted."""
    body = webhook.body.replace(b'"taxes_included": true', b'"taxes_included": false')
    return dataclasses.replace(webhook, body=body)


async def handle(*told: Sequence[Event]) -> None:
    for batch in told:
        async with db.transaction() as conn:
            await handlers.handle(conn, list(batch))


async def corrections() -> list[tuple[str, int, int, str]]:
    found = await reads.newest(ALICE, None)
    return [(one.order_name, one.before, one.after, one.reason) for one in found.corrections]


async def is_sound() -> bool:
    report = Report()
    async for _ in walk(report):
        pass
    return report.is_sound


def taxed(shop: Shop, *, tax: str = "20.00", price: str = "120.00", **more: Any) -> Webhook:
    return shop.order("orders/paid", line(price, id_=11, tax=tax), **more)


async def test_too_many_points_are_taken_back_and_the_ledger_says_why() -> None:
    await program()
    paid = taxed(Shop(taxes_included=True))
    await handle(events(wrong(paid)))
    assert await figures() == {"available": 120}
    again = events(paid, why=WHY)
    for _ in range(3):
        await handle(again)
        assert await figures() == {"available": 100, "reversed": 20}
    assert await corrections() == [("#5001", 120, 100, WHY)]
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT effect, points, why FROM ledger ORDER BY sequence")
    assert [(row["effect"], row["points"]) for row in rows] == [
        ("earn", 120),
        ("reverse.available", 20),
    ]
    said = sentence(*rows[1])
    assert said.endswith(f"This corrects what was counted before: {WHY}")
    assert await is_sound()


async def test_too_few_points_are_made_up_for_and_a_missing_order_earns() -> None:
    await program()
    paid = taxed(Shop(taxes_included=False))
    less = dataclasses.replace(
        paid, body=paid.body.replace(b'"taxes_included": false', b'"taxes_included": true')
    )
    await handle(events(less))
    assert await figures() == {"available": 100}
    await handle(events(paid, why=WHY))
    assert await figures() == {"available": 120}
    await handle(events(Shop(order_id=5002).order("orders/paid", line("7.00")), why=WHY))
    assert await figures() == {"available": 127}
    assert await corrections() == [("#5002", 0, 7, WHY), ("#5001", 100, 120, WHY)]
    assert await is_sound()


async def test_what_is_told_again_without_a_difference_changes_nothing() -> None:
    await program()
    shop = Shop(taxes_included=True)
    paid = taxed(shop)
    refund = shop.refund([(line("120.00", id_=11, tax="20.00"), 1)])
    told = [*events(paid), *events(refund)]
    await handle(told)
    before = await one("SELECT count(*) FROM ledger"), await figures()
    await handle([*events(paid, why=WHY), *events(refund, why=WHY)])
    assert (await one("SELECT count(*) FROM ledger"), await figures()) == before
    assert await corrections() == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_an_order_with_a_refund_is_right_whatever_is_told_again_first(
    order: tuple[int, ...],
) -> None:
    await program()
    shop = Shop(taxes_included=True)
    mugs = line("120.00", 2, id_=11, tax="40.00")
    told = [shop.order("orders/paid", mugs)]
    told.append(shop.refund([(mugs, 1)], [adjustment("-60.00")]))
    told.append(shop.order("orders/updated", mugs, status="partially_refunded"))
    await handle(*(events(wrong(one)) for one in told))
    assert (await figures())["available"] != 50
    await handle(*(events(told[at], why=WHY) for at in order))
    assert (await figures())["available"] == 50
    assert await is_sound()


async def test_a_newer_fact_stays_in_force() -> None:
    """Only what an old fact said is corrected, not what was said later."""
    await program()
    shop = Shop()
    first = shop.order("orders/paid", line("50.00", id_=11))
    later = shop.order("orders/updated", line("50.00", id_=11), line("25.00", id_=12))
    await handle(events(first), events(later))
    assert await figures() == {"available": 75}
    await handle(events(first, why=WHY))
    assert await figures() == {"available": 75}


@pytest.mark.parametrize("is_paid_first", [False, True])
async def test_of_two_facts_of_one_second_a_correction_takes_the_place_of_its_own(
    is_paid_first: bool,
) -> None:
    await program()
    shop = Shop(taxes_included=True)
    created = taxed(shop, status="partially_paid", outstanding="60.00")
    shop.now -= timedelta(seconds=1)
    paid = taxed(shop)
    told = [events(wrong(created), "created"), events(wrong(paid), "paid")]
    await handle(*(reversed(told) if is_paid_first else told))
    assert await figures() == {"available": 120}
    await handle(events(created, "created", WHY))
    assert await figures() == {"available": 120}
    await handle(events(paid, "paid", WHY))
    assert (await figures())["available"] == 100
    await handle(events(created, "created", WHY))
    assert (await figures())["available"] == 100


async def test_a_customer_who_was_wrong_is_corrected_with_all_points() -> None:
    await program()
    right = Shop(customer=int(CHARLIE)).order("orders/paid", line("40.00"))
    mistaken = dataclasses.replace(right, body=right.body.replace(b'"id": 7002', b'"id": 7001'))
    await handle(events(mistaken))
    assert await figures(BOB) == {"available": 40}
    await handle(events(right, why=WHY))
    assert (await figures(BOB), await figures(CHARLIE)) == ({"reversed": 40}, {"available": 40})
    assert await corrections() == [("#5001", 0, 40, WHY), ("#5001", 40, 0, WHY)]
    assert await is_sound()


async def test_a_fault_in_what_points_made_of_it_is_mended_by_the_same_words(monkeypatch) -> None:
    await program()
    paid = taxed(Shop(taxes_included=True))
    with monkeypatch.context() as faulty:
        faulty.setattr("app.points.earning.worth.amount", lambda *_: (7_000_000, 1))
        await handle(events(paid))
    assert await figures() == {"available": 7}
    await handle(events(paid))
    assert await figures() == {"available": 7}
    await handle(events(paid, why=WHY))
    assert await figures() == {"available": 100}


async def test_a_preview_says_what_would_change_and_changes_nothing() -> None:
    await program()
    paid = [taxed(Shop(order_id=number, taxes_included=True)) for number in range(1, 4)]
    await handle(*(events(wrong(one)) for one in paid[:2]))
    tables = ("ledger", "grants", "members", "lots", "corrections", "facts")
    before = [await one(f"SELECT count(*) FROM {table}") for table in tables]
    told = [event for one in paid for event in events(one, why=WHY)]
    unusable = msgspec.structs.replace(told[0], id="e-1", data=msgspec.Raw(b'{"order_id": 7}'))
    found = await actions.preview([*told, unusable])
    assert sorted((one.order_name, one.before, one.after) for one in found.changes) == [
        ("#1", 120, 100),
        ("#2", 120, 100),
        ("#3", 0, 100),
    ]
    assert [who for who, _ in found.refused] == [(ALICE, "e-1")]
    assert [await one(f"SELECT count(*) FROM {table}") for table in tables] == before
    assert await figures() == {"available": 240}


async def test_a_preview_names_who_cannot_be_moved_and_goes_on_with_the_others() -> None:
    await program()
    paid = [
        taxed(Shop(order_id=number, customer=number, taxes_included=True)) for number in (71, 72)
    ]
    await handle(*(events(wrong(one)) for one in paid))
    async with db.connection() as conn:
        await conn.execute("UPDATE members SET frozen_at = now() WHERE customer_id = '71'")
    found = await actions.preview([event for one in paid for event in events(one, why=WHY)])
    assert [one.order_name for one in found.changes] == ["#72"]
    assert [who for who, _ in found.refused] == [(ALICE, "71")]
