"""Birthdays: on the day, in the shop's time zone, once a year whatever is changed."""

from datetime import UTC, date, datetime, timedelta

import pytest

from app.errors import BadInputError, RefusedError
from app.flow.event import Event
from app.points.ways import birthdays, rules
from tests.points.ways.world import deleted, ledger, merged, since, sound, way
from tests.points.world import ALICE, BOB, fact, figures, handle, now, one, program


async def born(month_day: str, customer: str = BOB) -> None:
    await birthdays.say(ALICE, customer, month_day)


async def until(at: datetime) -> None:
    while await birthdays.give_due(at):
        pass


def on(day: str, hour: int = 12) -> datetime:
    return datetime.fromisoformat(f"{day}T{hour:02d}:00:00+00:00")


async def set_walk(day: date) -> None:
    """As if the shop's birthdays had been given up to that day."""
    await one("UPDATE ways SET walked_on = $1, walk_at = $2 RETURNING id", day, on("2020-01-01"))


async def test_it_is_given_on_the_day_once_and_next_year_again(stores) -> None:
    await program()
    await way("birthday", 80)
    tomorrow = now().date() + timedelta(days=1)
    await born(f"{tomorrow:%m-%d}")
    await until(now())
    assert await figures() == {}
    for _ in range(3):
        await until(now() + timedelta(days=1))
    assert await figures() == {"available": 80}
    assert await ledger() == [f"80 points for the birthday in {tomorrow.year} (version 1)."]
    await set_walk(tomorrow + timedelta(days=364))
    await until(now() + timedelta(days=367))
    assert await figures() == {"available": 160}
    await sound()


async def test_the_day_is_that_of_the_shops_time_zone(stores) -> None:
    await program(timezone="Pacific/Auckland")
    await way("birthday", 80)
    await birthdays.say(ALICE, BOB, "01-05")
    await set_walk(date(2027, 1, 3))
    await until(datetime(2027, 1, 4, 10, 59, tzinfo=UTC))  # 23:59 of the day before there
    assert await figures() == {}
    await until(datetime(2027, 1, 4, 11, 1, tzinfo=UTC))
    assert await figures() == {"available": 80}


async def test_a_day_that_was_missed_is_made_up_for_but_not_one_of_long_ago(stores) -> None:
    await program()
    await way("birthday", 80)
    today = now().date()
    await _insert(BOB, today - timedelta(days=5))
    await _insert("7002", today - timedelta(days=40))
    await set_walk(today - timedelta(days=60))
    await until(now())
    assert await figures() == {"available": 80}
    assert await figures("7002") == {}


async def _insert(customer: str, day: date) -> None:
    await one(
        "INSERT INTO birthdays (shop, customer_id, month_day, created_at) "
        "VALUES ($1, $2, $3, now()) RETURNING id",
        ALICE,
        customer,
        f"{day:%m-%d}",
    )


async def test_a_changed_day_gives_nothing_a_second_time_in_a_year(stores) -> None:
    await program()
    await way("birthday", 80)
    today = now().date()
    await born(f"{today:%m-%d}")
    assert await figures() == {"available": 80}
    other = today + timedelta(days=30)
    await born(f"{other:%m-%d}")
    await set_walk(other - timedelta(days=1))
    await until(now() + timedelta(days=31))
    assert await figures() == {"available": 80}
    with pytest.raises(RefusedError) as refused:
        await born("06-01")
    assert refused.value.code == "birthday_edited"
    await born(f"{other:%m-%d}")  # the same one is no change


async def test_more_than_a_batch_all_get_theirs_once(stores, monkeypatch) -> None:
    monkeypatch.setattr(birthdays, "MEMBERS_MAX", 3)
    await program()
    await way("birthday", 80)
    day = now().date() - timedelta(days=1)
    for number in range(7):
        await _insert(str(8000 + number), day)
    await set_walk(day - timedelta(days=1))
    await until(now())
    assert await one("SELECT count(*) FROM ledger WHERE effect = 'earn'") == 7
    assert await one("SELECT given FROM ways") == 7
    await sound()


async def test_a_way_that_is_off_or_a_programme_that_rests_gives_nothing_later(stores) -> None:
    await program(state="paused")
    await way("birthday", 80)
    today = now().date()
    await born(f"{today:%m-%d}")
    await until(now())
    assert await figures() == {}
    await program()
    await until(now())
    assert await figures() == {}


async def test_it_is_forgotten_with_its_customer_and_goes_along_with_a_merge(stores) -> None:
    await program()
    await way("birthday", 80)
    await born("05-05", "7001")
    await born("06-06", "7002")
    await handle(merged("7002", "7001"))
    assert await one("SELECT string_agg(month_day, ',') FROM birthdays") == "05-05"
    await handle(deleted("7001"))
    assert await one("SELECT count(*) FROM birthdays") == 0
    await born("05-05", "7003")
    who = {"customer": {"id": 7003}, "orders_to_redact": []}
    await handle(_asked("customers/redact", {"shop_domain": "charlie.myshopify.com", **who}))
    assert await one("SELECT count(*) FROM birthdays") == 1, "only the body is signed"
    await handle(_asked("customers/redact", {"shop_domain": ALICE, **who}))
    assert await one("SELECT count(*) FROM birthdays") == 0
    await born("05-05", "7004")
    await handle(_asked("shop/redact", {"shop_domain": ALICE}))
    assert await one("SELECT count(*) FROM birthdays") == 0


def _asked(topic: str, payload: dict[str, object]) -> Event:
    return fact("compliance.requested", {"topic": topic, "payload": payload})


@pytest.mark.parametrize(
    ("month_day", "day", "is_it"),
    [
        ("02-29", "2028-02-29", True),
        ("02-29", "2028-02-28", False),
        ("02-29", "2027-02-28", True),
        ("02-29", "2027-03-01", False),
        ("02-28", "2027-02-28", True),
        ("02-28", "2028-02-29", False),
        ("02-29", "2100-02-28", True),
    ],
)
def test_who_was_born_on_29_february_celebrates_on_the_28th_in_other_years(
    month_day, day, is_it
) -> None:
    assert rules.is_celebrated(month_day, date.fromisoformat(day)) is is_it


def test_a_leap_birthday_is_given_every_year_and_never_twice_in_one() -> None:
    given = date(2024, 2, 29)
    for year in range(2025, 2033):
        day = rules.next_birthday("02-29", given + rules.GIFTS_APART)
        assert day.year == year
        given = day


@pytest.mark.parametrize(
    ("per", "period", "then"),
    [
        ("once", "", None),
        ("day", "2026-12-31", date(2027, 1, 1)),
        ("week", "2026-W53", date(2027, 1, 4)),
        ("month", "2026-12", date(2027, 1, 1)),
        ("year", "2026", date(2027, 1, 1)),
    ],
)
def test_periods_end_where_calendars_do(per, period, then) -> None:
    late = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    assert rules.period(per, late, "UTC") == period
    assert rules.next_period(per, date(2026, 12, 31)) == then
    if per == "day":
        assert rules.period(per, late, "Europe/Berlin") == "2027-01-01"


def test_a_typed_birthday_keeps_no_year() -> None:
    today = date(2026, 11, 27)
    assert rules.birthday("1990-03-25", today) == "03-25"
    assert rules.birthday(" 02-29 ", today) == "02-29"
    for typed in ("2026-11-28", "02-30", "25.03.", "1800-01-01", "00-10", "٠٣-٢٥"):
        with pytest.raises(BadInputError):
            rules.birthday(typed, today)


async def test_settings_that_began_later_do_not_reach_back(stores) -> None:
    await program()
    made = await way("birthday", 80)
    await since(made, (now() - timedelta(days=1)).isoformat())
    await _insert(BOB, now().date() - timedelta(days=3))
    await set_walk(now().date() - timedelta(days=5))
    await until(now())
    assert await figures() == {}


async def test_who_is_frozen_on_the_day_gets_it_once_repaired_within_the_year(stores) -> None:
    await program()
    await way("birthday", 80)
    await handle(fact("customer.created", {"customer_id": BOB}))
    await born("03-10")
    await set_walk(date(2027, 3, 9))
    await one("UPDATE members SET frozen_at = now() RETURNING id")
    await until(on("2027-03-11"))
    assert await figures() == {}
    await until(on("2027-08-01"))
    assert await figures() == {}
    await one("UPDATE members SET frozen_at = NULL RETURNING id")
    for _ in range(2):
        await until(on("2027-08-02"))
    assert await figures() == {"available": 80}
    assert await ledger() == ["80 points for the birthday in 2027 (version 1)."]
    await until(on("2028-03-10"))
    assert await figures() == {"available": 160}, "and the next one on its day"
    await sound()


async def test_what_is_owed_is_let_go_after_a_year_and_given_once_with_the_next(stores) -> None:
    await program()
    await way("birthday", 80)
    await handle(fact("customer.created", {"customer_id": BOB}))
    await born("03-10")
    await set_walk(date(2027, 3, 9))
    await one("UPDATE members SET frozen_at = now() RETURNING id")
    await until(on("2027-03-11"))
    await one("UPDATE members SET frozen_at = NULL RETURNING id")
    await until(on("2028-03-10"))
    assert await figures() == {"available": 80}, "that of this year alone"
    assert await one("SELECT count(*) FROM birthdays WHERE owed_on IS NOT NULL") == 0


async def test_a_frozen_customer_who_says_it_on_the_day_is_owed_it(stores) -> None:
    await program()
    await way("birthday", 80)
    await handle(fact("customer.created", {"customer_id": BOB}))
    await one("UPDATE members SET frozen_at = now() RETURNING id")
    await born(f"{now():%m-%d}")
    assert await figures() == {}
    await one("UPDATE members SET frozen_at = NULL RETURNING id")
    await until(now())
    await born(f"{now():%m-%d}")
    assert await figures() == {"available": 80}


async def test_a_shop_that_cannot_be_gone_on_with_holds_up_no_other(stores, monkeypatch) -> None:
    other = "bob.myshopify.com"
    for shop in (ALICE, other):
        await program(shop=shop)
        await way("birthday", 80, shop=shop)
        await birthdays.say(shop, BOB, "03-10")
    await set_walk(date(2027, 3, 9))
    await one("UPDATE ways SET walk_at = '2019-01-01' WHERE shop = $1 RETURNING id", ALICE)
    walk = birthdays._walk

    async def broken(way_id: int, shop: str, *rest: object) -> int:
        if shop == ALICE:
            raise ValueError("this shop's row makes no sense")
        return await walk(way_id, shop, *rest)

    monkeypatch.setattr(birthdays, "_walk", broken)
    await until(on("2027-03-10"))
    assert await figures(BOB, other) == {"available": 80}
    monkeypatch.undo()
    await until(on("2027-03-10", 13))
    assert await figures() == {"available": 80}, "later, when it can be"
