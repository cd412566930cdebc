"""The database is put back to before rewards were redeemed: what was made of them at Shopify is
found there and switched off, and what is known stays.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app import db
from app.core import made
from app.points.rewards import redemption
from devstore.shop import things
from ops import orphans
from tests.points.rewards.discounts import CLIENT
from tests.points.rewards.store import Store
from tests.points.rewards.test_kinds import hold
from tests.points.world import ALICE, handle, line, paid

pytestmark = pytest.mark.usefixtures("stores")
SINCE = datetime.now(UTC) - timedelta(hours=1)


async def forget(code: str) -> None:
    """As a database that was put back knows nothing of it."""
    async with db.connection() as conn:
        await conn.execute("DELETE FROM redemptions WHERE code = $1", code)


@pytest.fixture(autouse=True)
def _the_same_way_to_shopify(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made.admin_api, "call", store.call)


def friend(store: Store, title: str, code: str) -> things.Discount:
    now, number = things.now(), store.state.new_id()
    found = things.Discount(number, number, ALICE, code, title, now, now, now)
    store.state.put("discount", number, found)
    return found


async def run(stores: db.Stores, *, is_meant: bool) -> list[str]:
    return await orphans.of_shop(stores, CLIENT, ALICE, SINCE, is_meant=is_meant)


async def test_what_nobody_paid_for_is_found_and_switched_off(
    stores: db.Stores, store: Store
) -> None:
    done: dict[str, Any] = {}
    for kind in ("amount_off", "free_shipping", "gift_card", "percent_off"):
        held = await hold(store, kind, key=kind)
        done[kind] = await redemption.complete(stores, CLIENT, held.id)
        if kind == "free_shipping":  # more points for the others
            await handle(paid("2", line("250.00"), customer=str(store.bob.id)))
    store.buy(store.mug.item(1), codes=(done["percent_off"].code,))
    friend(store, "A friend's first order (Holdfast referral 7.0)", "FRIEND7")
    friend(store, "Summer sale", "SUMMER")
    assert await run(stores, is_meant=True) == [
        f"{ALICE}: FRIEND7, A friend's first order (Holdfast referral 7.0), is off now"
    ]
    for kind in ("free_shipping", "gift_card", "percent_off"):
        await forget(done[kind].code)
    told = [line for line in await run(stores, is_meant=False) if "FRIEND7" not in line]
    assert sorted("works" in line for line in told) == [False, True, True]
    assert sum("was used: nobody paid for it" in line for line in told) == 1
    assert all(one.is_active for one in store.discounts if one.code != "FRIEND7")
    await run(stores, is_meant=True)
    state = {one.code: one.is_active for one in store.discounts}
    assert state[done["amount_off"].code]
    assert state["SUMMER"]
    assert not state[done["free_shipping"].code]
    assert not store.cards[0].is_enabled
    left = await run(stores, is_meant=True)
    assert all("is off already" in one or "was used" in one for one in left)
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert await orphans.of_shop(stores, CLIENT, ALICE, later, is_meant=True) == []
