"""Birthdays: customers say theirs, change it once a year, and get points on the day, in the
merchant's time zone.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from app import calendar, db
from app.db import Connection, Row, Stores
from app.errors import RefusedError
from app.points.earning import terms
from app.points.earning.rules import Terms
from app.points.ledger import balances, freezing
from app.points.ledger.accounts import FrozenError
from app.points.ledger.posting import Batch
from app.points.ways import awards, giving, rules
from app.resilience import apart

MEMBERS_MAX = 200  # of one transaction
SHOPS_MAX = OWED_MAX = 50
AGAIN_AFTER = timedelta(minutes=10)  # a shop with which something is wrong
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('birthday/' || $1 || '/' || $2, 0))"
SELECT = """
SELECT month_day, given_on, edited_at, owed_on FROM birthdays WHERE shop = $1 AND customer_id = $2
"""
INSERT = """
INSERT INTO birthdays (shop, customer_id, month_day, edited_at, given_on, created_at)
VALUES ($1, $2, $3, $4, $5, now())
ON CONFLICT (shop, customer_id) DO UPDATE
   SET month_day = excluded.month_day, edited_at = excluded.edited_at,
       given_on = excluded.given_on,
       owed_on = CASE WHEN birthdays.given_on = excluded.given_on
                        OR excluded.given_on IS NULL THEN birthdays.owed_on END
"""
GIVEN = """
UPDATE birthdays SET given_on = $3, owed_on = NULL
 WHERE shop = $1 AND customer_id = ANY($2::text[])
"""
# of who is frozen: until their points are mended
OWE = """
UPDATE birthdays SET owed_on = $3
 WHERE shop = $1 AND customer_id = ANY($2::text[])
   AND EXISTS (SELECT FROM members
                WHERE members.shop = $1 AND members.customer_id = birthdays.customer_id
                  AND members.frozen_at IS NOT NULL)
"""
OWED = """
SELECT owed.shop, owed.customer_id, owed.owed_on FROM birthdays AS owed
  LEFT JOIN members AS member
    ON member.shop = owed.shop AND member.customer_id = owed.customer_id
 WHERE owed.owed_on IS NOT NULL AND member.frozen_at IS NULL
 ORDER BY owed.owed_on LIMIT $1
"""
NOT_OWED = """
UPDATE birthdays SET owed_on = NULL WHERE shop = $1 AND customer_id = $2 AND owed_on = $3
"""
PUT_OFF = "UPDATE ways SET walk_at = $2 WHERE id = $1"
DUE = """
SELECT id, shop FROM ways WHERE kind = 'birthday' AND is_active AND walk_at <= $1
 ORDER BY walk_at LIMIT $2
"""
# not the row itself: it is written last, after the members, by everybody
TAKE = """
SELECT id, walked_on, walked_id FROM ways
 WHERE id = $1 AND is_active AND walk_at <= $2
   AND pg_try_advisory_xact_lock(hashtextextended('birthdays/' || shop, 0))
"""
NEXT = """
SELECT customer_id FROM birthdays
 WHERE shop = $1 AND month_day = ANY($2::text[]) AND customer_id > $3
   AND (given_on IS NULL OR given_on <= $4)
 ORDER BY customer_id LIMIT $5
"""
WALKED = "UPDATE ways SET walked_on = $2, walked_id = $3, walk_at = $4 WHERE id = $1"


@dataclass(frozen=True, slots=True)
class BirthdayView:
    """A customer's birthday and whether it can be changed now, else from when on."""

    month_day: str
    can_edit: bool
    editable_from: date | None  # in the shop's time zone


async def say(
    shop: str, customer_id: str, typed: str, stores: Stores | None = None
) -> BirthdayView:
    """Note a customer's birthday (MM-DD or YYYY-MM-DD); on the day itself it gives its points at
    once. The same day again changes nothing.

    Raises BadInputError for no day, RefusedError (`birthday_edited`) for a second change within a
    year, FrozenError.
    """
    batch = Batch(datetime.now(UTC))
    async with freezing.whoever_is_broken(), db.transaction() as conn:
        rule = (await terms.of_shops(conn, [shop]))[shop]
        today = batch.now.astimezone(calendar.zone(rule.timezone)).date()
        month_day = rules.birthday(typed, today)
        await conn.execute(LOCK, shop, customer_id)
        row = await conn.fetchrow(SELECT, shop, customer_id)
        edited_at, given_on = (row["edited_at"], row["given_on"]) if row else (None, None)
        if row is not None and row["month_day"] != month_day:
            _check_editable(edited_at, rule.timezone, batch.now)
            edited_at = batch.now
        is_today = rules.is_celebrated(month_day, today) and _is_due(given_on, today)
        if is_today and await _give(conn, batch, shop, [customer_id], today, rule):
            given_on = today
        await conn.execute(INSERT, shop, customer_id, month_day, edited_at, given_on)
        if is_today and given_on != today:
            await conn.execute(OWE, shop, [customer_id], today)
    if stores is not None and batch.moved:
        await balances.publish(stores, batch.moved.values(), batch.now)
    return view(month_day, edited_at, rule.timezone, batch.now)


def _check_editable(edited_at: datetime | None, timezone: str, now: datetime) -> None:
    """Raises RefusedError for a second change within a year."""
    if edited_at is not None and now < edited_at + rules.EDIT_AGAIN:
        again = (edited_at + rules.EDIT_AGAIN).astimezone(calendar.zone(timezone))
        raise RefusedError(
            f"A birthday can be changed once a year; yours again from {again.day} {again:%B %Y}.",
            code="birthday_edited",
        )


def view(month_day: str, edited_at: datetime | None, timezone: str, now: datetime) -> BirthdayView:
    """What a customer is told of their birthday."""
    again = None if edited_at is None else edited_at + rules.EDIT_AGAIN
    if again is None or again <= now:
        return BirthdayView(month_day, can_edit=True, editable_from=None)
    day = again.astimezone(calendar.zone(timezone)).date()
    return BirthdayView(month_day, can_edit=False, editable_from=day)


async def of_customer(conn: Connection, shop: str, customer_id: str) -> Row | None:
    """Their row of `birthdays`: month_day, given_on, edited_at."""
    return await conn.fetchrow(SELECT, shop, customer_id)


async def give_due(now: datetime, stores: Stores | None = None) -> int:
    """Give the points of the birthdays that are celebrated by `now` in their shops' days, those of
    a month ago at most, and what is owed to whoever was frozen on theirs; how many steps were made.
    Call it until it answers 0. A shop with which something is wrong holds up no other.
    """
    async with db.connection() as conn:
        due = await conn.fetch(DUE, now, SHOPS_MAX)
        owed = await conn.fetch(OWED, OWED_MAX)

    async def walk(one: tuple[int, str]) -> int:
        with suppress(FrozenError):  # who was found broken is frozen now, and passed over next
            return await _walk(*one, now, stores)
        return 0

    async def give(one: tuple[str, str, date]) -> int:
        return await _give_owed(*one, now, stores)

    async def put_off(one: tuple[int, str]) -> None:
        async with db.connection() as conn:
            await conn.execute(PUT_OFF, one[0], now + AGAIN_AFTER)

    shops = [(row["id"], row["shop"]) for row in due]
    people = [(row["shop"], row["customer_id"], row["owed_on"]) for row in owed]
    done = await apart.each("birthdays", shops, walk, put_off)
    return done + await apart.each("birthdays that are owed", people, give)


async def _give_owed(
    shop: str, customer_id: str, day: date, now: datetime, stores: Stores | None
) -> int:
    """Give what could not be given on the day, until the next one comes: by the settings of that
    day. 1 when it is settled.
    """
    batch = Batch(now)
    async with freezing.whoever_is_broken(), db.transaction() as conn:
        await conn.execute(LOCK, shop, customer_id)
        row = await conn.fetchrow(SELECT, shop, customer_id)
        if row is None or row["owed_on"] != day:
            return 0
        rule = (await terms.of_shops(conn, [shop]))[shop]
        today = now.astimezone(calendar.zone(rule.timezone)).date()
        is_in_time = today < day + rules.EDIT_AGAIN
        if is_in_time and _is_due(row["given_on"], day):
            given = await _give(conn, batch, shop, [customer_id], day, rule)
            await conn.execute(GIVEN, shop, given, day)
        if not any(one.is_frozen for one in batch.accounts.values()):
            await conn.execute(NOT_OWED, shop, customer_id, day)
    if stores is not None and batch.moved:
        await balances.publish(stores, batch.moved.values(), now)
    return 0 if any(one.is_frozen for one in batch.accounts.values()) else 1


async def _walk(way_id: int, shop: str, now: datetime, stores: Stores | None) -> int:
    """The next birthdays of a shop: a part of the day it has come to."""
    batch = Batch(now)
    async with freezing.whoever_is_broken(), db.transaction() as conn:
        way = await conn.fetchrow(TAKE, way_id, now)
        if way is None:
            return 0
        rule = (await terms.of_shops(conn, [shop]))[shop]
        today = now.astimezone(calendar.zone(rule.timezone)).date()
        tomorrow = calendar.start_of_day(today + timedelta(days=1), rule.timezone)
        day = _next_day(way["walked_on"], today)
        if day > today:
            await conn.execute(WALKED, way_id, way["walked_on"], "", tomorrow)
            return 1
        after = way["walked_id"]
        rows = await conn.fetch(
            NEXT, shop, list(rules.celebrated(day)), after, day - rules.GIFTS_APART, MEMBERS_MAX
        )
        people = [row["customer_id"] for row in rows]
        if people:
            given = await _give(conn, batch, shop, people, day, rule)
            await conn.execute(GIVEN, shop, given, day)
            if left := sorted(set(people) - set(given)):
                await conn.execute(OWE, shop, left, day)
        if len(people) == MEMBERS_MAX:
            walked = way["walked_on"], people[-1], now
        else:
            walked = day, "", tomorrow if day == today else now
        await conn.execute(WALKED, way_id, *walked)
    if stores is not None and batch.moved:
        await balances.publish(stores, batch.moved.values(), now)
    return 1


def _next_day(walked_on: date | None, today: date) -> date:
    """The day to go on with; without any before, today."""
    if walked_on is None:
        return today
    return max(walked_on + timedelta(days=1), today - timedelta(days=rules.CATCH_UP_DAYS))


def _is_due(given_on: date | None, day: date) -> bool:
    return given_on is None or given_on <= day - rules.GIFTS_APART


async def _give(
    conn: Connection, batch: Batch, shop: str, people: Sequence[str], day: date, today: Terms
) -> list[str]:
    """Give these customers the points of a birthday on `day`, by the settings and programme of
    that day; who got them. Who is frozen is passed over, and owed it.
    """
    end = calendar.start_of_day(day + timedelta(days=1), today.timezone)
    at = min(batch.now, end - timedelta(microseconds=1))
    earlier = await terms.at(conn, {shop: today}, {(shop, ""): at})
    rule = earlier.get((shop, ""), today)
    way = (await giving.of_kinds(conn, [(shop, "birthday", at)])).get(0)
    if way is None or rule.state != "live":
        return []
    members = [(shop, one) for one in people]
    await batch.lock(conn, members)
    await batch.make(conn, members)
    await batch.follow_merged(conn)
    had = await awards.given(conn, list(batch.accounts), ["birthday"])
    period, given, extras = f"{day:%Y}", dict[str, int](), giving.Extras(conn)
    for key in members:
        account = batch.account(batch.by_customer[key].id)
        if account is None or account.is_frozen:
            continue
        if f"way:birthday:{period}" in had.get(account.id, set()):
            continue
        had.setdefault(account.id, set()).add(f"way:birthday:{period}")
        source = rules.source(way, account.customer_id, period)
        bonuses = await extras.of(account, "birthday", way.points, at)
        why = {"period": period, **extras.why(shop)}
        points = giving.add(batch, account, way, source, why, at, rule, bonuses)
        given[key[1]] = points
    await batch.write(conn)
    await giving.count(conn, [(way.id, points) for points in given.values()])
    return list(given)
