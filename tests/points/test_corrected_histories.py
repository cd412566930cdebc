"""Random lives of orders, understood wrongly and then told again, come to what they are worth."""

import itertools
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import db
from app.flow.event import Event
from app.points import handlers
from app.points.ledger.audit import verify
from tests.points import world
from tests.points.lives import Life, lives
from tests.points.told import webhook
from tests.points.webhooks import events
from tests.points.world import figures

pytestmark = pytest.mark.usefixtures("stores")
EXAMPLES = int(os.environ.get("HOLDFAST_EXAMPLES", "60")) // 2
shops = (f"corrected-{number}.myshopify.com" for number in itertools.count())
Data = dict[str, Any]


def counts_tax(data: Data) -> None:
    for line in data.get("lines", ()):
        if "tax" in line:
            line["amount"] = str(Decimal(line["amount"]) + Decimal(line.pop("tax")))


def overlooks_what_was_taken_out(data: Data) -> None:
    for line in data.get("lines", ()):
        line.pop("kept", None)


def overlooks_pieces(data: Data) -> None:
    if "lines" in data:
        data["lines"] = data["lines"][:1]


def takes_another_for_the_customer(data: Data) -> None:
    if data.get("customer_id"):
        data["customer_id"] = "7003"


def overlooks_refunded_pieces(data: Data) -> None:
    for refund in [data, *data.get("refunds", ())]:
        if "refund_id" in refund:
            refund["lines"] = []


faults = st.sampled_from(
    [
        counts_tax,
        overlooks_what_was_taken_out,
        overlooks_pieces,
        takes_another_for_the_customer,
        overlooks_refunded_pieces,
    ]
)


def changed(event: Event, change: Callable[[Data], None]) -> Event:
    data = msgspec.json.decode(event.data)
    change(data)
    return msgspec.structs.replace(event, data=msgspec.Raw(msgspec.json.encode(data)))


async def handle(told: Sequence[Event]) -> None:
    for event in told:
        async with db.transaction() as conn:
            await handlers.handle(conn, [event])


async def told_of(life: Life, order: Sequence[int]) -> list[Event]:
    """The webhooks of a life in a shop of its own, each as its request told it."""
    shop, placed = next(shops), world.now() - timedelta(hours=1)
    await world.program(shop, clawback="debt")
    found = []
    for place in order:
        for event in events(webhook(life.messages[place], shop, 5000, placed), placed):
            request = f"request-{place}"
            found.append(msgspec.structs.replace(event, shop=shop, key=shop, trace=request))
    return found


async def balances(shop: str) -> list[int]:
    found = [await figures(customer, shop) for customer in ("7001", "7002", "7003")]
    return [one.get("available", 0) - one.get("debt", 0) for one in found]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(lives, st.randoms(), faults)
async def test_a_life_that_is_told_again_comes_to_what_it_would_have_been(
    life: Life, chance: Any, fault: Callable[[Data], None]
) -> None:
    order = list(range(len(life.messages)))
    chance.shuffle(order)
    right = await told_of(life, order)
    if not right:
        return
    await handle(right)
    told = await told_of(life, order)
    shop = told[0].shop
    await handle([changed(event, fault) for event in told])
    again = [
        changed(event, lambda data: data.update(corrected="It was understood wrongly."))
        for event in told
        if bytes(changed(event, fault).data) != bytes(changed(event, lambda _data: None).data)
    ]
    await handle(again)
    assert await balances(shop) == await balances(right[0].shop)
    rows = await world.one("SELECT count(*) FROM ledger WHERE shop = $1", shop)
    await handle(again)
    assert await world.one("SELECT count(*) FROM ledger WHERE shop = $1", shop) == rows
    report = await verify(shop)
    assert report.is_sound, report.problems
