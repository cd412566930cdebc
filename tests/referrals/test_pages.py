"""The merchant's pages about referrals: figures, list, queue, one of them, and the offer."""

import pytest

from app.db import Stores
from app.referrals.panels import home as referrals_home
from app.resilience import health
from app.web import panels
from tests.admin.conftest import _fresh_process, alice, charlie, http
from tests.admin.staff import open_circuit, text
from tests.points.world import one
from tests.referrals.world import BOB, FRIDA, claim, handle, link_of, offer, order, person, referral

__all__ = ["_fresh_process", "alice", "charlie", "http"]
OFFER = {
    "is_on": "1",
    "friend_kind": "percent",
    "friend_value": "15",
    "friend_minimum": "0",
    "code_days": "30",
    "advocate_kind": "points",
    "advocate_points": "250",
    "order_minimum": "20",
    "hold_days": "14",
    "window_days": "30",
    "day_max": "3",
    "month_max": "10",
    "all_max": "100",
    "version": "0",
}


async def a_held_one(stores: Stores) -> int:
    await offer()
    await handle(stores, person(BOB, "bob.marsh@example.com", "Bob Marsh"))
    held = await claim(stores, await link_of(stores), "bob.marsh@other.org")
    assert held.is_held
    return held.id


async def test_a_shop_without_referrals_is_shown_what_they_are(alice) -> None:
    page = text(await alice.get("/referrals"))
    assert "A member takes their link" in page
    assert "Nothing waits for you" in text(await alice.get("/referrals/queue"))
    assert "Set up referrals" in text(await alice.get("/"))


async def test_figures_the_list_search_and_filter(alice, stores: Stores) -> None:
    await a_held_one(stores)
    await claim(stores, await link_of(stores))
    await handle(stores, order("1001"))
    page = text(await alice.get("/referrals"))
    assert "Links 1 of your members" in page
    assert "Claims 2 by friends" in page
    assert "Orders 1 of these friends" in page
    assert "Look at the 1 waiting" in page
    for query, has, lacks in (
        ({"q": "frida@example.com"}, "#1001", "bob.marsh@other.org"),
        ({"q": "1001"}, "#1001", "bob.marsh@other.org"),
        ({"q": "Marsh"}, "#1001", "Nothing matches"),
        ({"stage": "held"}, "bob.marsh@other.org", "#1001"),
        ({"stage": "ordered"}, "#1001", "bob.marsh@other.org"),
        ({"q": "nobody at all"}, "Nothing matches", "#1001"),
    ):
        found = text(await alice.get("/referrals", **query))
        assert has in found, query
        assert lacks not in found, query


async def test_the_queue_shows_both_people_and_each_decision_is_written(
    alice, stores: Stores
) -> None:
    number = await a_held_one(stores)
    assert "1 referral waits for you" in text(await alice.get("/"))
    assert "bob.marsh@other.org" in text(await alice.get("/referrals/queue"))
    page = text(await alice.get(f"/referrals/{number}"))
    for said in (
        "To be looked at",
        "nearly the advocate's",
        "50 of 50",
        "Bob Marsh",
        "bob.marsh@example.com",
        "bob.marsh@other.org",
    ):
        assert said in page
    refused = await alice.post(f"/referrals/{number}/decide", decision="allow", reason="")
    assert refused.status_code == 422
    assert "Please say why" in text(refused)
    saved = await alice.post(
        f"/referrals/{number}/decide", decision="allow", reason="A colleague of his"
    )
    assert saved.status_code == 200
    assert "Allowed: A colleague of his" in text(saved)
    assert (await referral())["verdict"] == "allow"
    blocked = await alice.post(f"/referrals/{number}/decide", decision="block", reason="No")
    assert "Blocked: No" in text(blocked)


async def test_the_offer_is_saved_as_a_new_version_and_two_tabs_are_told(
    alice, stores: Stores
) -> None:
    assert "Switched on" in text(await alice.get("/referrals/settings"))
    saved = await alice.post("/referrals/settings", **OFFER)
    assert saved.status_code == 200
    assert "15% off their first order" in text(await alice.get("/referrals"))
    stale = await alice.post("/referrals/settings", **{**OFFER, "friend_value": "20"})
    assert stale.status_code == 409
    assert "Saved meanwhile" in text(stale)
    assert await one("SELECT count(*) FROM referral_settings") == 1


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("friend_value", "101", "at most 100 percent"),
        ("friend_value", "-5", "more than 0"),
        ("friend_value", "", "more than 0"),
        ("hold_days", "two", "whole number from 0 to 90"),
        ("window_days", "7", "cannot be shorter"),
        ("month_max", "2", "must not get smaller"),
        ("advocate_points", "0", "Please give 1 to"),
        ("advocate_kind", "reward", "choose a reward"),
    ],
)
async def test_an_offer_that_makes_no_sense_is_not_saved(
    alice, field: str, typed: str, said: str
) -> None:
    refused = await alice.post("/referrals/settings", **{**OFFER, field: typed})
    assert refused.status_code == 422
    assert said in text(refused)
    assert await one("SELECT count(*) FROM referral_settings") == 0


async def test_a_reward_of_the_program_can_be_promised(alice) -> None:
    from app.points.earning import actions as earning
    from app.points.members import reads
    from tests.points.world import ALICE

    await earning.ensure_program(ALICE, "USD", "UTC")
    reward = (await reads.rewards(ALICE))[0]
    saved = await alice.post(
        "/referrals/settings",
        **{**OFFER, "advocate_kind": "reward", "advocate_reward_id": reward.id},
    )
    assert saved.status_code == 200
    assert f"gets {reward.title}" in text(await alice.get("/referrals"))


async def test_no_shop_sees_or_decides_anothers(alice, charlie, stores: Stores) -> None:
    number = await a_held_one(stores)
    assert (await charlie.get(f"/referrals/{number}")).status_code == 404
    answer = await charlie.post(f"/referrals/{number}/decide", decision="allow", reason="Mine")
    assert answer.status_code == 404
    assert "bob.marsh" not in text(await charlie.get("/referrals"))
    assert (await referral())["verdict"] == "hold"
    assert (await alice.get("/referrals/999999999999999999")).status_code == 404


async def test_a_customers_page_shows_their_referrals(alice, stores: Stores) -> None:
    await offer()
    await handle(stores, person(BOB, "bob@example.com", "Bob Marsh"))
    await claim(stores, await link_of(stores))
    await handle(stores, order("1001"))
    assert "#1001" in text(await alice.get(f"/customers/{FRIDA}"))
    assert "Frida Friend" in text(await alice.get(f"/customers/{BOB}"))


async def test_with_nobody_at_work_on_referrals_the_panel_says_so_and_the_rest_is_whole(
    alice, stores: Stores
) -> None:
    await a_held_one(stores)
    await stores.queue.hdel("health", "referrals")
    health.forget()
    page = text(await alice.get("/"))
    assert "Referrals temporarily unavailable" in page
    assert "Your first points" in page or "Your program" in page
    own = text(await alice.get("/referrals"))
    assert "Referrals temporarily unavailable" in own
    assert "bob.marsh@other.org" in own, "what is known is shown all the same"


async def test_with_its_reads_failing_the_panel_is_an_island_and_the_page_says_so(
    alice, stores: Stores
) -> None:
    open_circuit(panels.RESOURCES["referrals"])
    assert referrals_home.AWAY in text(await alice.get("/"))
    own = await alice.get("/referrals")
    assert own.status_code == 200
    assert "Referrals temporarily unavailable" in text(own)


async def test_a_link_that_stands_on_a_coupon_site_is_closed_and_opened_again(
    alice, charlie, stores: Stores
) -> None:
    from app.errors import NotFoundError

    await offer()
    code = await link_of(stores)
    made = await claim(stores, code)
    assert "Close the link" in (await alice.get(f"/referrals/{made.id}")).text
    await charlie.post(f"/referrals/{made.id}/link", on="0")
    await claim(stores, code, "gerd@example.com")
    closed = await alice.post(f"/referrals/{made.id}/link", on="0")
    assert "link was closed" in text(closed)
    with pytest.raises(NotFoundError):
        await claim(stores, code, "hans@example.com")
    await alice.post(f"/referrals/{made.id}/link", on="1")
    await claim(stores, code, "hans@example.com")


async def test_the_offer_says_what_it_comes_to_while_it_is_filled_in(alice) -> None:
    said = text(await alice.get("/referrals/settings/sentence", **OFFER))
    assert said == (
        "A friend gets 15% off their first order, with a code that lasts 30 days. Who invited them "
        "gets 250 points 14 days after the friend's first order of $20.00 or more. If that order "
        "comes back within 30 days, it is taken back. One member is rewarded for 3 a day, 10 a "
        "month, 100 in all; what is over that waits for you."
    )
    half = {**OFFER, "is_on": "0", "friend_value": ""}
    said = text(await alice.get("/referrals/settings/sentence", **half))
    assert said == "Not complete yet: Please give more than 0 and at most 100 percent."
    assert "A friend gets" in text(await alice.get("/referrals/settings"))
