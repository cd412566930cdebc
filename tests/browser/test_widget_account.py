"""What a shopper finds behind the balance: codes, dates and history, as the app tells them now."""

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.fake_shop import FakeShop

pytestmark = pytest.mark.long


def a_code(number: int) -> dict[str, Any]:
    return {
        "id": f"c{number}",
        "state": "captured",
        "code": f"HF-{number:04}",
        "title": "5.00 off",
        "points": 100,
    }


def a_movement(kind: str, points: int, change: int, **more: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "points": points,
        "change": change,
        "order": "#1001",
        "reward": "5.00 off",
        "why": "Said by the app.",
        "on": "2025-03-04",
        "until": None,
        "at": "2025-03-04T14:02:00Z",
        **more,
    }


async def test_every_code_is_there_and_more_of_them_on_the_next_page(shop: FakeShop) -> None:
    shop.mine["codes"] = [a_code(number) for number in range(7)]
    shop.mine["codes_next"] = "17.ab"
    shop.pages["/codes?after=17.ab"] = (200, {"codes": [a_code(8), a_code(9)], "next": ""})
    _, panel = await shop.open()
    await expect(panel.locator(".code")).to_have_count(7)
    await panel.get_by_role("button", name="Show more codes").click()
    await expect(panel.locator(".code")).to_have_count(9)
    await expect(panel.locator(".code").nth(7)).to_be_focused()
    await expect(panel.get_by_role("button", name="Show more codes")).to_have_count(0)


async def test_codes_that_nobody_knows_at_the_moment_are_not_shown_as_none(shop: FakeShop) -> None:
    shop.mine["codes"] = None
    _, panel = await shop.open()
    await expect(panel).to_contain_text("Your codes cannot be shown at the moment. They are safe.")


@pytest.mark.parametrize(
    ("page_locale", "own", "days"),
    [
        ("en", "en-GB", ["120 points on 3 May 2031", "120 points end on 31 December 2031"]),
        ("en", "en-US", ["120 points on May 3, 2031", "120 points end on December 31, 2031"]),
        ("en", "fr-FR", ["120 points on May 3, 2031"]),
        ("de", "de-DE", ["120 Punkte am 3. Mai 2031", "1 Punkt verfällt später"]),
    ],
)
async def test_points_come_and_end_on_days_as_the_shopper_writes_them(
    shop: FakeShop, page_locale: str, own: str, days: list[str]
) -> None:
    shop.locale = page_locale
    shop.mine["coming"] = [{"on": "2031-05-03", "points": 120}]
    shop.mine["ending"] = [{"on": "2031-12-31", "points": 120}, {"on": None, "points": 1}]
    # a browser far from the shop: the shop's days are days, and move with no time zone
    _, panel = await shop.open(locale=own, timezone_id="Pacific/Kiritimati")
    for day in days:
        await expect(panel.locator(".dates")).to_contain_text(day)


async def test_a_debt_says_what_repays_it(shop: FakeShop) -> None:
    shop.mine["points"]["debt"] = 30
    _, panel = await shop.open()
    await expect(panel.locator(".debt")).to_have_text(
        "30 points are owed after a refund. The next points you earn pay them back."
    )


async def test_the_history_is_asked_for_when_wanted_and_says_why_page_by_page(
    shop: FakeShop,
) -> None:
    rows = [
        a_movement("owed", 50, 0),
        a_movement("earned", 60, 0, until="2031-05-03"),
        a_movement("redeemed", 100, -100, order=""),
        a_movement("something new", 5, 5),
    ]
    shop.pages["/history"] = (200, {"history": rows, "next": "3"})
    shop.pages["/history?after=3"] = (
        200,
        {"history": [a_movement("earned", 200, 200)], "next": ""},
    )
    _, panel = await shop.open()
    assert not [path for path in shop.asked if "history" in path]
    await panel.get_by_role("button", name="Show history").click()
    lines = panel.locator(".past li")
    await expect(lines).to_have_count(4)
    await expect(lines.first).to_be_focused()
    for at, text in enumerate(
        (
            "50 points to be paid back: order #1001 was refunded or changed after they were spent",
            "60 points for order #1001, yours on May 3, 2031",
            "100 points for $5.00 off",
            "Said by the app.",
        )
    ):
        await expect(lines.nth(at)).to_contain_text(text)
        await expect(lines.nth(at)).to_contain_text("March 4, 2025")
    await expect(panel.locator(".change")).to_have_text(["-100", "+5"])
    await panel.get_by_role("button", name="Show more").click()
    await expect(lines).to_have_count(5)
    await expect(lines.nth(4)).to_be_focused()
    await expect(panel.get_by_role("button", name="Show more")).to_have_count(0)


async def test_points_of_ways_and_bonuses_say_what_they_were_for(shop: FakeShop) -> None:
    rows = [
        a_movement("given", 50, 50, order="", way="account", title="Join us"),
        a_movement("given", 20, 0, order="", way="follow", title="Instagram", until="2031-05-03"),
        a_movement("taken_back", 20, -20, order="", way="follow", title="Instagram"),
        a_movement("given", 7, 7, order="", way="of tomorrow"),
        a_movement("restored", 100, 100, order=""),
        a_movement("earned", 90, 90, bonuses=[["Double weekend", 45]]),
    ]
    shop.pages["/history"] = (200, {"history": rows, "next": ""})
    _, panel = await shop.open()
    await panel.get_by_role("button", name="Show history").click()
    lines = panel.locator(".past li")
    for at, text in enumerate(
        (
            "50 points for creating your account",
            "20 points for Instagram",
            "20 points taken back",
            "Said by the app.",
            "100 points back: $5.00 off was not used, or its order came back",
            "90 points for order #1001",
        )
    ):
        await expect(lines.nth(at)).to_contain_text(text)
    await expect(lines.nth(1)).to_contain_text("March 4, 2025 · yours on May 3, 2031")
    await expect(lines.nth(5)).to_contain_text("45 points of them: Double weekend")


async def test_a_history_that_cannot_be_had_says_so_and_can_be_asked_for_again(
    shop: FakeShop,
) -> None:
    shop.pages["/history"] = (503, {"error": {"code": "unavailable", "message": "Not now."}})
    _, panel = await shop.open()
    await panel.get_by_role("button", name="Show history").click()
    await expect(panel.get_by_role("alert")).to_have_text(
        "This cannot be shown just now. Please try again."
    )
    shop.pages["/history"] = (200, {"history": [], "next": ""})
    await panel.get_by_role("button", name="Show history").click()
    await expect(panel).to_contain_text("Nothing has happened yet.")
    await expect(panel.get_by_role("alert")).to_have_count(0)


async def test_an_open_history_goes_on_when_points_move(shop: FakeShop) -> None:
    shop.pages["/history"] = (200, {"history": [a_movement("earned", 240, 240)], "next": ""})
    _, panel = await shop.open()
    await panel.get_by_role("button", name="Show history").click()
    await expect(panel.locator(".past li")).to_have_count(1)
    newer = a_movement("earned", 30, 30, order="#1002")
    shop.pages["/history"] = (
        200,
        {"history": [newer, a_movement("earned", 240, 240)], "next": ""},
    )
    shop.mine["points"] |= {"available": 270, "sequence": 13}
    await expect(panel.locator(".total")).to_have_text("270 points", timeout=12_000)
    await expect(panel.locator(".past li").first).to_contain_text("30 points for order #1002")


# old figures


async def test_a_note_comes_and_goes_within_a_poll_is_read_out_and_moves_nothing(
    shop: FakeShop,
) -> None:
    page, panel = await shop.open()
    places = (
        "[...document.querySelector('holdfast-widget').shadowRoot.querySelectorAll("
        "'.panel, .head, .total, section, li, button')]"
        ".map((one) => JSON.stringify(one.getBoundingClientRect()))"
    )
    await page.wait_for_timeout(400)
    before = await page.evaluate(places)
    shop.mine["points"]["source"] = "cached"
    note = panel.locator(".behind")
    await expect(note).to_have_text(
        "Updates are on their way. As of Mar 4, 2:02 PM.", timeout=12_000
    )
    await expect(panel.get_by_role("status")).to_have_text(re.compile("As of Mar 4, 2:02 PM"))
    assert await page.evaluate(places) == before
    shop.mine["points"]["source"] = "live"
    await expect(note).to_have_count(0, timeout=12_000)
    await expect(panel.get_by_role("status")).to_have_text("Up to date again.")
    assert await page.evaluate(places) == before
    assert [one for one in await page.evaluate("shifts") if not one["recent"]] == []


async def test_the_launcher_too_says_that_its_figure_is_old(shop: FakeShop) -> None:
    shop.mine["points"]["source"] = "cached"
    page = await shop.visit()
    launcher = page.locator(".launcher")
    await expect(launcher).to_have_accessible_name("Rewards 240 points As of Mar 4, 2:02 PM.")
    await expect(launcher).to_have_class("launcher old")


async def test_it_asks_less_and_less_often_while_nothing_changes_and_never_when_closed(
    shop: FakeShop,
) -> None:
    page, panel = await shop.open()
    await page.clock.install()
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await page.locator(".launcher").click()
    await expect(panel).to_be_visible()
    asked: list[int] = []
    for _ in range(4):
        before = shop.asked.count("/apps/holdfast/me")
        for _ in range(30):
            await page.clock.run_for(500)
            await page.evaluate("new Promise(requestIdleCallback)")
        asked.append(shop.asked.count("/apps/holdfast/me") - before)
    assert asked[0] > asked[-1] >= 1
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    before = shop.asked.count("/apps/holdfast/me")
    await page.clock.run_for(60_000)
    assert shop.asked.count("/apps/holdfast/me") == before
