"""What a shopper has besides the balance: every unused code, dates in the shop's time zone, a debt,
and a history that says why.
"""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app import db
from app.db import Stores
from app.points.earning import actions as earning
from app.points.ledger import actions as ledger
from app.points.ledger import expiry
from app.points.ledger.posting import Batch
from app.points.members import account
from app.points.panels import kept, shopper
from app.points.rewards import giving
from tests.points.world import ALICE, BOB, days_ago, handle, line, now, paid, program, refunded
from tests.storefront.callers import CHARLIE, ask, bearer, earn, proxied

INSERT_LOTS = """
INSERT INTO lots (shop, member_id, source, granted, remaining, available_at, is_pending,
                  expires_at, due_at, lapses, created_at)
SELECT $1::text, id, 'lot ' || lot.number, lot.points, lot.points, lot.due_at, lot.is_pending,
       CASE WHEN lot.is_pending THEN NULL ELSE lot.due_at END, lot.due_at, 0, now()
  FROM members, unnest($3::int[], $4::bigint[], $5::timestamptz[], $6::bool[])
    AS lot (number, points, due_at, is_pending)
 WHERE members.shop = $1::text AND customer_id = $2::text
"""
INSERT_CODES = """
INSERT INTO redemptions (id, shop, member_id, customer_id, reward_id, title, points, amount_off,
                         idempotency_key, request_hash, code, discount_gid, state, reason,
                         allocations, attempts, tries_sent, next_attempt_at, give_up_at, request_id,
                         created_at, updated_at)
SELECT made.id, $1::text, members.id, $2::text, 1, 'Tea ' || made.number, 100, 5,
       'key ' || made.number, '', 'HF-' || made.number, '', 'captured', '', '[]', 1, 1, NULL,
       now(), '', now() - interval '1 minute' * (made.number / 2), now()
  FROM members, unnest($3::uuid[], $4::int[]) AS made (id, number)
 WHERE members.shop = $1::text AND customer_id = $2::text
"""


async def forget_balances(stores: Stores) -> None:
    """As a worker does that has moved points, by the balance it puts there."""
    for key in await stores.cache.keys("cache:points:balance:*"):
        await stores.cache.delete(key)


async def me(http: Any, customer: str = BOB) -> dict[str, Any]:
    body: dict[str, Any] = (await http.get(proxied("/storefront/me", customer))).json()
    return body


async def whole_history(http: Any, customer: str = BOB) -> list[dict[str, Any]]:
    """All pages, asked for one after the other."""
    rows: list[dict[str, Any]] = []
    after = ""
    while True:
        page = (await http.get(proxied("/storefront/history", customer, after=after))).json()
        assert len(page["history"]) <= account.HISTORY_SIZE
        rows += page["history"]
        after = page["next"]
        if not after:
            return rows


async def test_every_unused_code_is_there_in_pages_and_a_used_one_is_not(http, rewards) -> None:
    await earn("10.00")
    numbers = list(range(account.CODES_SIZE * 2 + 3))
    async with db.transaction() as conn:
        ids = [uuid.uuid4() for _ in numbers]
        await conn.execute(INSERT_CODES, ALICE, BOB, ids, numbers)
        await conn.execute("UPDATE redemptions SET state = 'used' WHERE code = 'HF-7'")
    body = await me(http)
    seen, after = body["codes"], body["codes_next"]
    assert len(seen) == account.CODES_SIZE
    assert after
    while after:
        page = (await http.get(proxied("/storefront/codes", after=after))).json()
        seen += page["codes"]
        after = page["next"]
    assert [one["code"] for one in seen if one["code"] == "HF-7"] == []
    assert sorted(one["code"] for one in seen) == sorted(f"HF-{n}" for n in numbers if n != 7)
    assert set(seen[0]) == set(body["redemptions"][0])
    assert len(body["redemptions"]) == 20, "this field keeps its meaning: the newest"


async def test_a_code_used_in_an_order_without_points_goes_after_a_while(
    http, rewards, shopify, monkeypatch
) -> None:
    await earn("100.00")
    made = (await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))).json()
    code = made["redemption"]["code"]
    assert [one["code"] for one in (await me(http))["codes"]] == [code]
    async with db.transaction() as conn:
        await conn.execute("UPDATE redemptions SET state = 'used'")
    assert [one["code"] for one in (await me(http))["codes"]] == [code], "nothing moved"
    monkeypatch.setattr(kept, "FRESH_SECONDS", -1.0)
    assert (await me(http))["codes"] == []


async def in_force_for_long() -> None:
    """The rules are those of the orders' time."""
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE program_versions"
            " SET created_at = now() - interval '100 days' + version * interval '1 day'"
        )


@pytest.mark.parametrize(("zone", "hour"), [("Pacific/Auckland", 23), ("America/Los_Angeles", 2)])
async def test_points_to_come_and_to_end_are_dated_by_the_shops_days(
    http, rewards, stores, zone: str, hour: int
) -> None:
    await earning.ensure_program(ALICE, "USD", "UTC")
    await program(pending_days=3, expiry_days=30, timezone=zone)
    await in_force_for_long()
    placed = now().replace(hour=hour, minute=30) - timedelta(days=1)
    await handle(paid("1001", line("80.00"), at=placed))
    await handle(paid("1002", line("40.00"), at=placed + timedelta(minutes=1)))
    old = placed - timedelta(days=6)
    await handle(paid("1003", line("25.00"), at=old))
    body = await me(http)
    there = placed.astimezone(ZoneInfo(zone)).date()
    assert body["coming"] == [{"on": str(there + timedelta(days=3)), "points": 120}]
    last_day = old.astimezone(ZoneInfo(zone)).date() + timedelta(days=3 + 30)
    assert body["ending"] == [{"on": str(last_day), "points": 25}]
    assert body["time_zone"] == zone
    async with db.connection() as conn:
        ends_at = await conn.fetchval("SELECT expires_at FROM lots WHERE NOT is_pending")
    assert await expiry.expire_due(ends_at - timedelta(seconds=1)) == 0, "they last that whole day"
    assert await expiry.expire_due(ends_at, stores) == 1
    assert (await me(http))["ending"] == []


async def test_what_comes_later_than_the_days_listed_is_summed_up_and_not_left_out(
    http, rewards
) -> None:
    await earn("10.00")
    numbers = list(range(account.DAYS_MAX + account.MOMENTS_MAX))
    moments = [datetime(2040, 1, 1, tzinfo=UTC) + timedelta(hours=4 * n) for n in numbers]
    async with db.transaction() as conn:
        for is_pending in (True, False):
            flags = [is_pending] * len(numbers)
            points = [2] * len(numbers)
            await conn.execute(INSERT_LOTS, ALICE, BOB, numbers, points, moments, flags)
    body = await me(http)
    for name in ("coming", "ending"):
        assert len(body[name]) == account.DAYS_MAX + 1
        assert body[name][-1]["on"] is None
        assert sum(one["points"] for one in body[name]) == 2 * len(numbers)


async def test_a_debt_is_told_and_the_history_says_what_made_it_and_what_repaid_it(
    http, rewards, stores, shopify
) -> None:
    await program(clawback="debt")
    await handle(paid("1001", line("100.00", line_id="a")))
    await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))
    await handle(refunded("1001", "r1", {"a": 1}))
    await forget_balances(stores)
    points = (await me(http))["points"]
    assert (points["available"], points["debt"]) == (0, 100)
    await handle(paid("1002", line("130.00")))
    await forget_balances(stores)
    points = (await me(http))["points"]
    assert (points["available"], points["debt"]) == (30, 0)
    rows = await whole_history(http)
    assert [(one["kind"], one["points"], one["change"], one["order"]) for one in rows] == [
        ("repaid", 100, -100, ""),
        ("earned", 130, 130, "#1002"),
        ("owed", 100, 0, "#1001"),
        ("redeemed", 100, -100, ""),
        ("earned", 100, 100, "#1001"),
    ]
    assert sum(one["change"] for one in rows) == 30, "the changes add up to the balance"
    assert rows[2]["why"] == (
        "100 points to be paid back: order #1001 was refunded or changed after they were spent."
    )
    assert rows[3]["why"] == "100 points for “5.00 off”."


async def test_the_history_pages_through_all_of_it_in_order_and_names_no_member_of_staff(
    http, rewards
) -> None:
    for number in range(account.HISTORY_SIZE * 2 + 1):
        await handle(paid(f"20{number:02}", line("3.00")))
    await ledger.adjust(ALICE, BOB, -5, "Suspected of fraud", "key-of-a-form", "Alice")
    rows = await whole_history(http)
    assert len(rows) == account.HISTORY_SIZE * 2 + 2
    assert rows[0]["kind"] == "taken"
    assert rows[0]["why"] == "5 points taken by the shop."
    assert [one["order"] for one in rows[1:]] == [
        f"#20{number:02}" for number in reversed(range(account.HISTORY_SIZE * 2 + 1))
    ]


async def test_points_on_hold_back_say_from_when_in_the_history_too(http, rewards) -> None:
    await program(pending_days=5, timezone="Asia/Tokyo")
    await in_force_for_long()
    await handle(paid("1001", line("60.00"), at=days_ago(1)))
    row = (await whole_history(http))[0]
    body = await me(http)
    assert (row["points"], row["change"]) == (60, 0)
    assert row["until"] == body["coming"][0]["on"]


async def test_a_history_is_its_own_shoppers_alone(http, rewards) -> None:
    await earn("80.00")
    await earn("90.00", customer=CHARLIE)
    assert [one["points"] for one in await whole_history(http, CHARLIE)] == [90]
    nobody = await http.get(proxied("/storefront/history", None))
    assert (nobody.status_code, nobody.json()["error"]["code"]) == (401, "sign_in")
    assert (await http.get("/storefront/history")).status_code == 401
    extension = await http.get("/checkout/history", headers=bearer())
    assert extension.headers["access-control-allow-origin"] == "*"
    assert [one["points"] for one in extension.json()["history"]] == [80]


@pytest.mark.parametrize("after", ["x", "-1", "9" * 19, "1.2", "'", "1" * 300])
@pytest.mark.parametrize("name", ["history", "codes"])
async def test_a_place_that_is_none_gives_the_first_page(http, rewards, name, after: str) -> None:
    await earn("80.00")
    response = await http.get(proxied(f"/storefront/{name}", after=after))
    assert response.status_code == 200
    assert len(response.json()[name]) == (1 if name == "history" else 0)


async def test_with_postgres_away_what_is_not_known_is_not_told_as_nothing(
    http, rewards, take_postgres_away
) -> None:
    await earn("80.00")
    shopper.forget()
    await http.get(proxied("/storefront/me"))
    await http.get(proxied("/storefront/history"))
    await earn("20.00")  # nobody has asked since
    take_postgres_away()
    body = await me(http)
    assert body["points"]["available"] in {80, 100}
    assert body["codes"] == []
    shopper.forget()
    body = await me(http, CHARLIE)
    assert (body["codes"], body["coming"], body["ending"]) == (None, None, None)
    away = await http.get(proxied("/storefront/history", CHARLIE))
    assert (away.status_code, away.json()["error"]["message"]) == (503, shopper.NOT_SHOWN)


async def test_the_history_costs_me_nothing_and_a_page_is_kept_with_its_balance(
    http, rewards, take_postgres_away
) -> None:
    await earn("80.00")
    assert "history" not in await me(http)
    first = (await http.get(proxied("/storefront/history"))).json()
    take_postgres_away()
    again = (await http.get(proxied("/storefront/history"))).json()
    assert again["history"] == first["history"]


async def test_a_reward_given_to_somebody_without_a_movement_is_seen(http, rewards) -> None:
    """Their balance stands at its first sequence, as that of a stranger does."""
    async with db.transaction() as conn:
        batch = Batch(now())
        await batch.lock(conn, [(ALICE, BOB)])
        await batch.make(conn, [(ALICE, BOB)])
        account = batch.by_customer[ALICE, BOB]
        await giving.give(conn, batch, account, rewards[100], "tier:1", "For a new tier.", "r")
        await batch.write(conn)
    (seen,) = (await me(http))["codes"]
    assert (seen["title"], seen["points"], seen["state"]) == ("5.00 off", 0, "held")
    assert (await me(http, CHARLIE))["codes"] == []
