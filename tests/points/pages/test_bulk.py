"""Many balances at once: each customer once, whoever dies when, and all or none above the limit."""

import uuid
from zoneinfo import ZoneInfo

import pytest

from app import db
from app.db import Stores
from app.points.ledger import bulk, freezing
from app.points.members import reads
from tests.admin.staff import text
from tests.points import world
from tests.points.pages.test_filters import members
from tests.points.world import ALICE, figures


async def finish(stores: Stores | None = None) -> None:
    while await bulk.go_on(stores):
        pass


async def ask(alice, points: str = "5", **fields: str):
    given = {"reason": "Ten years of Alice's", "key": str(uuid.uuid4()), **fields}
    return await alice.post("/customers/bulk", points=points, **given)


async def test_all_who_match_get_their_points_once_with_who_did_it(alice, stores) -> None:
    await members(8)
    key = str(uuid.uuid4())
    for _ in range(2):  # the same form twice is one change
        assert (await ask(alice, balance_from="3", balance_to="6", key=key)).status_code == 200
    assert "Choosing" in text(await alice.get("/customers/bulk"))
    await finish(stores)
    balances = [(await figures(f"{7100 + place}"))["available"] for place in range(8)]
    assert balances == [1, 2, 8, 9, 10, 11, 7, 8]
    seen = text(await alice.get("/customers/bulk"))
    assert "Done 4 of 4 customers." in seen
    assert "by staff 42" in seen
    event = (await reads.member(ALICE, "7103")).events[0]
    assert (event.kind, event.rows[0].by) == ("adjusted", "42")
    assert "Ten years of Alice's" in event.rows[0].sentence


async def test_a_change_that_is_broken_off_goes_on_and_gives_nothing_twice(
    alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 3)
    monkeypatch.setattr(bulk, "STEP", 3)
    await members(8)
    await ask(alice)
    plain, turns = bulk._post, []

    async def dies_every_second_time(*given):
        turns.append(given)
        done = await plain(*given)
        if len(turns) % 2:
            raise ConnectionError("the worker was killed before the commit")
        return done

    monkeypatch.setattr(bulk, "_post", dies_every_second_time)
    for _ in range(40):
        try:
            if not await bulk.go_on():
                break
        except ConnectionError:
            pass
    assert len(turns) == 6
    assert [(await figures(f"{7100 + n}"))["available"] for n in range(8)] == [*range(6, 14)]
    assert await world.one("SELECT count(*) FROM ledger WHERE effect = 'adjust'") == 8


async def test_who_has_too_few_or_is_on_hold_is_passed_over_and_counted(alice) -> None:
    await members(4)
    frozen = await world.one("SELECT id FROM members WHERE customer_id = '7103'")
    await freezing.freeze(frozen, "a test")
    await ask(alice, points="-2")
    await finish()
    assert [(await figures(f"{7100 + n}")).get("available", 0) for n in range(4)] == [1, 0, 1, 4]
    assert "2 of 4 customers. 2 were passed over" in text(await alice.get("/customers/bulk"))


async def test_more_than_the_limit_changes_nobody_and_says_so(
    alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "CUSTOMERS_MAX", 3)
    await members(4)
    await ask(alice)
    await finish()
    assert "More than 3 customers match, so nobody's points were changed" in text(
        await alice.get("/customers/bulk")
    )
    assert await world.one("SELECT count(*) FROM ledger WHERE effect = 'adjust'") == 0


async def test_by_last_order_and_without_who_joined_later(alice) -> None:
    await members(6)
    day = world.days_ago(3).astimezone(ZoneInfo("Europe/Berlin")).date()  # a day of the shop's
    await ask(alice, ordered_to=day.isoformat())
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE members SET joined_at = now() + interval '1 minute' WHERE customer_id = '7105'"
        )
    await finish()
    given = await world.one(
        "SELECT string_agg(customer_id, ' ' ORDER BY customer_id) FROM members"
        " JOIN ledger ON member_id = members.id WHERE effect = 'adjust'"
    )
    assert given == "7103 7104"


async def test_a_form_that_makes_no_sense_changes_nothing(alice, charlie) -> None:
    await members(1)
    for fields in (
        {"points": "lots"},
        {"reason": ""},
        {"joined_from": "soon"},
        {"balance_from": "x"},
        {"key": ""},
    ):
        answer = await ask(alice, **{"points": "5", **fields})
        assert answer.status_code == 422, fields
    key = str(uuid.uuid4())
    assert (await ask(alice, key=key)).status_code == 200
    assert (await ask(alice, points="6", key=key)).status_code == 409
    await ask(alice)
    await ask(alice)
    assert "under way already" in text(await ask(alice))
    await ask(charlie)
    await finish()
    assert await figures("7100") == {"available": 1 + 3 * 5}
    assert "None yet" not in text(await charlie.get("/customers/bulk"))
    assert "Ten years" not in text(await charlie.get("/customers"))
