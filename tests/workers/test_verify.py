"""The verify command: paid orders followed from webhook to award, and what it prints."""

import argparse
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from app import db
from app.config import ROOT
from app.flow import event as envelope
from app.flow.bus import consumer
from app.flow.bus.buses import open_bus
from app.flow.event import Event
from app.points import handlers
from app.points.ledger.audit import BEGINNING, Place, Report
from tests.flow.helpers import emit
from tests.points.world import ALICE, line, paid, program
from workers import verify
from workers.verify import Asked, Completeness

CHARLIE = "charlie.myshopify.com"
RECEIPT = """
INSERT INTO receipts (shop, webhook_id, day, topic, outcome, request_id, received_at, recorded_at)
VALUES ($1, $2, (now() AT TIME ZONE 'UTC')::date, $3, $4, $2, now(), now() + interval '1 second')
"""

pytestmark = pytest.mark.usefixtures("stores")


async def receive(*facts: Event, topic: str = "orders/paid", outcome: str = "facts") -> None:
    """Receipts of the webhooks that `facts` came from."""
    async with db.connection() as connection:
        for one in facts:
            await connection.execute(RECEIPT, one.shop, one.trace, topic, outcome)


async def read_on(stores: db.Stores) -> None:
    bus = open_bus(stores.config)
    await consumer.run_once(handlers.SERVICE, handlers.TOPICS, handlers.handle, bus, stores)


def order(number: int, shop: str = ALICE) -> Event:
    fact = paid(str(number), line("10.00"), shop=shop)
    return envelope.new(fact.topic, shop, shop, fact.data, trace=f"request-{shop}-{number}")


async def completeness(
    shop: str | None = None, place: Place = BEGINNING
) -> tuple[Report, Completeness]:
    report, found = Report(), Completeness()
    asked = Asked(shop, datetime.now(UTC).date() - timedelta(days=1), place, 0)
    async for _ in verify.walk(asked, (), report, found):
        pass
    return report, found


async def test_every_paid_order_is_followed_from_its_webhook_to_its_award(
    stores: db.Stores,
) -> None:
    await program()
    await program(CHARLIE)
    early = [order(number, shop) for number in range(5) for shop in (ALICE, CHARLIE)]
    await emit(*early)
    await receive(*early)
    await read_on(stores)
    late = [order(number) for number in range(7, 9)]
    await emit(*late)
    await receive(*late)
    report, found = await completeness()
    assert report.problems == []
    assert (found.receipts, found.orders, found.waiting, found.stated) == (12, 10, 2, 0)
    _, found = await completeness(CHARLIE)
    assert (found.receipts, found.orders, found.waiting) == (5, 5, 0)


async def test_a_webhook_whose_fact_is_not_in_the_log_is_named() -> None:
    facts = [order(number) for number in range(3)]
    await emit(*facts[:2])
    await receive(*facts)
    unpaid = [order(7), order(8)]
    await receive(unpaid[0], topic="orders/updated")
    await receive(unpaid[1], outcome="dead")
    report, _ = await completeness()
    assert len(report.problems) == 1
    assert facts[2].trace in report.problems[0]
    assert (await completeness(CHARLIE))[0].is_sound


async def test_an_order_that_was_handed_on_without_any_effect_is_named(stores: db.Stores) -> None:
    await program()
    facts = [order(number) for number in range(3)]
    await emit(*facts)
    await read_on(stores)
    async with db.connection() as connection:
        for table in ("grants", "ledger", "lots", "members"):
            await connection.execute(f"DELETE FROM {table}")
    report, found = await completeness()
    assert (found.orders, len(report.problems)) == (3, 3)
    assert "neither a grant nor a reason" in report.problems[0]


async def test_an_order_that_was_set_aside_has_its_reason(stores: db.Stores) -> None:
    await program()
    fact = envelope.new("order.paid", ALICE, ALICE, {"order_id": "1"}, trace="request-1")
    await emit(fact)
    await read_on(stores)
    report, found = await completeness()
    assert (report.problems, found.orders, found.stated) == ([], 1, 1)
    async with db.connection() as connection:
        await connection.execute("UPDATE dead_letters SET state = 'done'")
    assert len((await completeness())[0].problems) == 1


async def test_an_entry_that_nobody_can_read_must_have_been_set_aside(stores: db.Stores) -> None:
    await program()
    await emit(order(1))
    async with db.connection() as connection:
        await connection.execute("UPDATE facts SET body = 'x'")
    assert (await completeness())[1].waiting == 0
    await read_on(stores)
    assert (await completeness())[0].is_sound
    async with db.connection() as connection:
        await connection.execute("DELETE FROM dead_letters")
    assert "cannot be read" in (await completeness())[0].problems[0]


async def test_the_log_alone_can_be_gone_on_with(stores: db.Stores) -> None:
    await program()
    await emit(order(1))
    await read_on(stores)
    report, found = await completeness(place=Place("log", "0"))
    assert (report.members, found.orders) == (0, 1)
    assert (await completeness(place=Place("log", "16")))[1].orders == 0


@pytest.mark.parametrize(
    "place", [Place("members", "65536"), Place("grants", "#7:a"), Place("log")]
)
def test_what_an_interrupted_run_prints_is_what_it_goes_on_with(place: Place) -> None:
    assert verify.place_of(verify.go_on(place).split()[-1]) == place


def test_a_place_that_was_never_printed_is_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="printed"):
        verify.place_of("nowhere:7")


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers.verify", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


async def test_the_command_says_it_in_one_line_or_names_what_is_wrong(stores: db.Stores) -> None:
    await program()
    await emit(order(1))
    await read_on(stores)
    for heads in (0, 1):
        done = command()
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("\n") == 1
        assert done.stdout.startswith("1 members, 1 ledger rows: drift 0, broken chains 0, 0 prob")
        assert f" {heads} heads" in done.stdout
    async with db.connection() as connection:
        await connection.execute("UPDATE members SET available = 0")
    done = command(ALICE, "--days", "0")
    assert done.returncode == 1
    assert f"{ALICE} customer 7001: the balance is not the sum" in done.stdout
