"""The pure rules: windows in a merchant's time zone, what meets what, and sentences."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.campaigns import rules, words
from app.own_facts import Audience, Campaign, Stacking

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
START = datetime(2026, 11, 26, 23, tzinfo=UTC)  # the 27th begins in Berlin
END = datetime(2026, 11, 30, 23, tzinfo=UTC)  # and here the 30th ends


def campaign(**fields: Any) -> Campaign:
    known: dict[str, Any] = {
        "campaign_id": "c1",
        "version": 1,
        "name": "Black Friday",
        "state": "live",
        "starts_at": START,
        "ends_at": END,
    }
    return Campaign(**(known | fields))


def said(**fields: Any) -> str:
    names = {"t1": "Gold", "t2": "Platinum"}
    return words.sentence(campaign(**fields), timezone=BERLIN, currency="USD", now=NOW, names=names)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"audience": Audience("tiers", ["t1"]), "cap": 500},
            (
                "Orders from 27 Nov to 30 Nov earn 2x points, for Gold members, at most 500 points "
                "a customer."
            ),
        ),
        ({"effect": "add", "value": "100"}, "Orders from 27 Nov to 30 Nov earn 100 points more."),
        ({"ends_at": None, "value": "1.50"}, "Orders from 27 Nov on earn 1.5x points."),
        ({"ends_at": START + timedelta(days=1)}, "Orders on 27 Nov earn 2x points."),
        (
            {"starts_at": START + timedelta(hours=18), "ends_at": END - timedelta(hours=12)},
            "Orders from 27 Nov, 18:00 to 30 Nov, 12:00 earn 2x points.",
        ),
        (
            {"ends_at": datetime(2027, 1, 6, 23, tzinfo=UTC)},
            "Orders from 27 Nov 2026 to 6 Jan 2027 earn 2x points.",
        ),
        (
            {"scope": "products", "ids": ["1", "2"], "budget": 9_000},
            "Orders from 27 Nov to 30 Nov earn 2x points, on 2 products, 9,000 points in all.",
        ),
        (
            {"scope": "collections", "ids": ["1"], "audience": Audience("tags", ["vip", "vip2"])},
            (
                "Orders from 27 Nov to 30 Nov earn 2x points, on 1 collection, for customers "
                "tagged vip or vip2."
            ),
        ),
        (
            {"trigger": "first_order"},
            "A customer's first order, if placed from 27 Nov to 30 Nov, earns 2x points.",
        ),
        (
            {"trigger": "nth_order", "nth": 3, "effect": "add", "value": "1"},
            "A customer's 3rd order, if placed from 27 Nov to 30 Nov, earns 1 point more.",
        ),
        (
            {"trigger": "goal_order", "goal": "100"},
            "Orders of at least $100.00 from 27 Nov to 30 Nov earn 2x points.",
        ),
        (
            {"trigger": "goal_total", "goal": "250.5", "effect": "add", "value": "1000"},
            "Whoever spends $250.50 in all from 27 Nov to 30 Nov gets 1,000 points, once.",
        ),
        (
            {"trigger": "birthday", "effect": "add", "value": "50", "ends_at": None},
            "Birthdays from 27 Nov on give 50 points.",
        ),
        (
            {"trigger": "account", "effect": "add", "value": "50"},
            "Accounts created from 27 Nov to 30 Nov give 50 points.",
        ),
    ],
)
def test_a_campaign_says_what_it_does_in_one_sentence(
    fields: dict[str, Any], sentence: str
) -> None:
    assert said(**fields) == sentence


def test_a_day_begins_and_ends_where_the_merchant_is_also_when_clocks_change() -> None:
    # the 25th of October has 25 hours in Berlin, the 8th of March 23 in New York
    for day, zone, hours in (
        (date(2026, 10, 25), BERLIN, 25),
        (date(2026, 3, 8), NEW_YORK, 23),
        (date(2026, 6, 1), BERLIN, 24),
    ):
        start = rules.moment(day, None, zone)
        end = rules.moment(day, None, zone, is_end=True)
        assert end - start == timedelta(hours=hours)
        assert rules.day_and_time(start, zone) == (day, None)
        assert rules.day_and_time(end, zone, is_end=True) == (day, None)


def test_a_time_that_comes_twice_begins_with_the_first_and_ends_with_the_second() -> None:
    day, half_past_two = date(2026, 10, 25), time(2, 30)
    start = rules.moment(day, half_past_two, BERLIN)
    end = rules.moment(day, half_past_two, BERLIN, is_end=True)
    assert (start, end) == (
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
    )


def test_a_time_that_is_jumped_over_is_the_one_that_is_there_instead() -> None:
    day, half_past_two = date(2026, 3, 29), time(2, 30)
    for is_end in (False, True):
        at = rules.moment(day, half_past_two, BERLIN, is_end=is_end)
        assert at == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # 3:30 by the clock
        assert rules.day_and_time(at, BERLIN, is_end=is_end) == (day, time(3, 30))


@pytest.mark.parametrize(
    ("state", "now", "shown"),
    [
        ("draft", START, "draft"),
        ("live", START - timedelta(seconds=1), "scheduled"),
        ("live", START, "running"),
        ("live", END - timedelta(seconds=1), "running"),
        ("live", END, "ended"),
        ("paused", START, "paused"),
        ("paused", END, "ended"),
        ("ended", START, "ended"),
    ],
)
def test_what_is_live_begins_and_ends_by_its_window(state: str, now: datetime, shown: str) -> None:
    assert rules.shown_state(campaign(state=state), now) == shown


def test_campaigns_meet_where_their_windows_and_occasions_do() -> None:
    other = {"campaign_id": "c2", "name": "Weekend"}
    after = campaign(**other, starts_at=END, ends_at=None)
    assert not rules.meets(campaign(), after), "the end is outside"
    inside = campaign(**other, starts_at=END - timedelta(seconds=1), ends_at=None)
    assert rules.meets(campaign(), inside)
    assert rules.meets(inside, campaign())
    birthday = campaign(**other, trigger="birthday", effect="add", value="50")
    assert not rules.meets(campaign(), birthday)
    assert not rules.meets(campaign(), campaign()), "not with itself"
    drafts = [campaign(**other, state="draft"), campaign(**other, state="ended")]
    assert rules.overlapping(campaign(), [*drafts, inside], NOW) == [inside]


@pytest.mark.parametrize(
    ("how", "words_of_it", "together"),
    [
        (Stacking(), "An order in both earns the better one: 2x.", "2"),
        (Stacking(1, "add"), "the extras are added: 2x and 1.5x make 2.5x.", "2.5"),
        (Stacking(1, "multiply"), "they are multiplied: 2x and 1.5x make 3x.", "3"),
        (Stacking(1, "multiply", "2.25"), "2x and 1.5x make 2.25x.", "2.25"),
    ],
)
def test_an_overlap_is_said_with_what_then_happens(
    how: Stacking, words_of_it: str, together: str
) -> None:
    other = campaign(campaign_id="c2", name="Weekend", value="1.5")
    warning = words.overlap(campaign(), other, how, BERLIN, NOW)
    assert warning.startswith("It overlaps with “Weekend” (from 27 Nov to 30 Nov). ")
    assert warning.endswith(words_of_it)
    assert rules.stacked(how, [Decimal(2), Decimal("1.5")]) == Decimal(together)


def test_added_points_come_on_top_whatever_the_policy() -> None:
    other = campaign(campaign_id="c2", name="Weekend", effect="add", value="50", state="paused")
    warning = words.overlap(campaign(), other, Stacking(), BERLIN, NOW)
    assert "which is paused" in warning
    assert warning.endswith("What is in both earns both: added points come on top.")


def test_texts_take_known_variables_alone() -> None:
    assert rules.problems(campaign(text="Earn {value} until {ends}!")) == {}
    assert "{name}" in rules.problems(campaign(text="Hi {{ name }}"))["text"]
    assert "no end" in rules.problems(campaign(text="Until { ends }", ends_at=None))["text"]
    assert rules.filled("{value} until {{ ends }}", {"value": "2x", "ends": "3 May"}) == (
        "2x until 3 May"
    )
