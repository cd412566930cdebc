"""Whenever a process dies in the middle of a redemption: one code for the points, or the points
are back.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app import db
from app.points.ledger.audit import verify
from app.points.rewards import issuing, redemption, settling
from app.writes import Writes
from tests.flow.helpers import written
from tests.points.rewards.discounts import CLIENT, hold, make_due
from tests.points.world import figures, one

HELD, CAPTURED, BACK = (
    {"available": 150, "held": 100},
    {"available": 150, "spent": 100},
    {"available": 250},
)


class KilledError(BaseException):
    """The process ends here: no `except Exception` sees it."""


@pytest.fixture
def dies(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the process end when a function is called next, or when it is done (`is_done`)."""

    def prepare(place: Any, name: str, *, is_done: bool = False) -> None:
        real = getattr(place, name)

        async def once(*args: Any, **options: Any) -> None:
            monkeypatch.setattr(place, name, real)
            if is_done:
                await real(*args, **options)
            raise KilledError

        monkeypatch.setattr(place, name, once)

    return prepare


async def killed(work: Awaitable[Any]) -> None:
    with pytest.raises(KilledError):
        await work


async def goes_on(stores: db.Stores) -> str:
    """The next sweep of another process, once the lease of the dead one has ended."""
    assert await redemption.sweep(stores, CLIENT) == 0, "the lease must keep others away at first"
    await make_due()
    assert await redemption.sweep(stores, CLIENT) == 1
    return str(await one("SELECT state FROM redemptions"))


async def test_killed_before_shopify_was_asked(stores, shopify, dies) -> None:
    held = await hold()
    dies(issuing.admin_api, "call")
    await killed(redemption.complete(stores, CLIENT, held.id))
    assert await figures() == HELD
    assert await goes_on(stores) == "captured"
    assert (await figures(), len(shopify.discounts)) == (CAPTURED, 1)


async def test_killed_after_the_code_was_made_and_before_it_was_written_down(
    stores, shopify, dies
) -> None:
    held = await hold()
    dies(settling, "capture")
    await killed(redemption.complete(stores, CLIENT, held.id))
    assert (await figures(), len(shopify.discounts)) == (HELD, 1)
    assert await goes_on(stores) == "captured"
    assert (await figures(), len(shopify.discounts)) == (CAPTURED, 1)
    assert shopify.calls == ["discount_create", "discount_create", "discount_by_code"]


async def test_killed_in_the_middle_of_a_capture_nothing_of_it_is_there(
    stores, shopify, dies
) -> None:
    held = await hold()
    dies(Writes, "send", is_done=True)
    await killed(redemption.complete(stores, CLIENT, held.id))
    assert await figures() == HELD
    assert await one("SELECT count(*) FROM ledger WHERE effect = 'capture'") == 0
    assert await goes_on(stores) == "captured"
    assert len(await written("points.spent")) == 1
    assert (await verify()).is_sound


async def test_killed_after_a_capture_nothing_is_done_again(stores, shopify, dies) -> None:
    held = await hold()
    dies(settling.balances, "publish")
    await killed(redemption.complete(stores, CLIENT, held.id))
    await make_due()
    for late in (True, False):
        await make_due(give_up_at="now()" if late else "now() + interval '1 h'")
        await redemption.sweep(stores, CLIENT)
    assert (await redemption.complete(stores, CLIENT, held.id)).state == "captured"
    assert (await figures(), shopify.calls) == (CAPTURED, ["discount_create"])


async def test_killed_in_the_middle_of_giving_points_back_nothing_of_it_is_there(
    stores, shopify, dies
) -> None:
    held = await hold()
    shopify.errors = [{"field": ["context"], "message": "Customer is gone.", "code": "INVALID"}]
    dies(Writes, "send", is_done=True)
    await killed(redemption.complete(stores, CLIENT, held.id))
    assert await figures() == HELD
    assert await goes_on(stores) == "released"
    assert await figures() == BACK
    assert await one("SELECT remaining FROM lots") == 250
    assert (await verify()).is_sound


async def test_what_is_settled_stays_as_it_is(stores, shopify) -> None:
    held = await hold()
    assert await settling.capture(stores, held.id, "gid://x/1")
    assert not await settling.capture(stores, held.id, "gid://x/2")
    assert not await settling.give_back(stores, held.id, "too late")
    assert (await figures(), await one("SELECT discount_gid FROM redemptions")) == (
        CAPTURED,
        "gid://x/1",
    )


async def test_of_captures_and_releases_at_once_exactly_one_counts(stores, shopify) -> None:
    held = await hold()
    ends = [settling.capture(stores, held.id, "gid://x/1") for _ in range(5)]
    ends += [settling.give_back(stores, held.id, "a test") for _ in range(5)]
    assert sum(await asyncio.gather(*ends)) == 1
    assert await figures() in (CAPTURED, BACK)
    assert (await verify()).is_sound


async def test_a_code_made_while_its_points_went_back_is_switched_off_at_once(
    stores, shopify, monkeypatch
) -> None:
    """The lease of a process that stood still had ended, and another gave up in the meantime."""
    held = await hold()
    create = shopify.create

    async def slow(wanted: dict[str, Any]) -> Any:
        made = await create(wanted)
        await settling.give_back(stores, held.id, "Shopify could not make the code in time.")
        await make_due("NULL")  # and the look for a late code came to nothing, before there was one
        return made

    monkeypatch.setattr(shopify, "create", slow)
    answer = await redemption.complete(stores, CLIENT, held.id)
    assert (answer.state, answer.code) == ("released", "")
    assert await figures() == BACK
    assert await redemption.sweep(stores, CLIENT) == 1
    (node,) = shopify.discounts.values()
    assert node["codeDiscount"]["status"] == "EXPIRED"
    assert await redemption.sweep(stores, CLIENT) == 0


async def test_an_attempt_nobody_waits_for_any_longer_is_tried_again_soon(
    stores, shopify, monkeypatch
) -> None:
    """A slow Shopify: the page gave up after four seconds; the next attempt does not wait for
    the lease of that one.
    """
    held = await hold()
    asked = asyncio.Event()

    async def slow(*_: Any) -> None:
        asked.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(issuing.admin_api, "call", slow)
    attempt = asyncio.create_task(redemption.complete(stores, CLIENT, held.id))
    await asked.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert (
        await one("SELECT state FROM redemptions WHERE next_attempt_at < now() + interval '3 s'")
        == "held"
    )
    monkeypatch.setattr(issuing.admin_api, "call", shopify.call)
    await make_due()
    assert await redemption.sweep(stores, CLIENT) == 1
    assert (await figures(), len(shopify.discounts)) == (CAPTURED, 1)


async def test_an_attempt_ends_before_its_lease_does(stores, shopify, monkeypatch) -> None:
    assert redemption.LEASE.total_seconds() > redemption.ATTEMPT_SECONDS
    held = await hold()

    async def slow(*_: Any) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(redemption, "ATTEMPT_SECONDS", 0.05)
    monkeypatch.setattr(issuing.admin_api, "call", slow)
    assert (await redemption.complete(stores, CLIENT, held.id)).state == "held"
    assert await figures() == HELD
