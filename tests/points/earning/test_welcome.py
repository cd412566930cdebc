"""A shop that installs the app has a programme and rewards in its own currency, once."""

import pytest

from app.points.earning import actions as earning
from app.points.members import reads
from tests.points.world import ALICE, fact, figures, handle, line, paid

pytestmark = pytest.mark.usefixtures("stores")


def installed(currency: str = "EUR", timezone: str = "Europe/Berlin", shop: str = ALICE):
    return fact(
        "shop.installed", {"currency": currency, "timezone": timezone, "name": "Alice's"}, shop
    )


async def test_a_new_shop_has_a_programme_and_rewards_in_its_currency():
    await handle(installed())
    program = await reads.program(ALICE)
    assert (program.version, program.currency, program.timezone) == (1, "EUR", "Europe/Berlin")
    assert [
        (reward.cost, str(reward.amount_off))
        for reward in await reads.rewards(ALICE, active_only=True)
    ] == [
        (100, "5.00"),
        (500, "30.00"),
    ]
    assert await reads.rewards("charlie.myshopify.com", active_only=True) == []


async def test_installing_again_keeps_the_rules_the_merchant_made():
    await handle(installed())
    await earning.edit_program(ALICE, {"rate": "3"}, "42")
    await handle(installed(), installed())
    program = await reads.program(ALICE)
    assert (program.version, str(program.rate.normalize())) == (2, "3")
    assert len(await reads.rewards(ALICE, active_only=True)) == 2


async def test_an_order_in_the_same_batch_earns_by_the_new_programme():
    await handle(paid("1", line("10.00")), installed("USD", "UTC"))
    assert await figures() == {"available": 10}
