"""A shopper earns besides orders: sees what is done and open, says a birthday, follows."""

from datetime import UTC, datetime, timedelta

import pytest

from app.points.outside import calls
from tests.points.ways.world import created, since, way
from tests.points.world import ALICE, BOB, figures, handle, one, program
from tests.storefront.callers import bearer, proxied


async def me(http, customer: str | None = BOB) -> dict:
    return (await http.get(proxied("/storefront/me", customer))).json()


async def test_each_way_says_whether_it_is_open_done_or_waiting(http, stores) -> None:
    await program()
    made = {
        "account": await way("account", 100),
        "newsletter": await way("newsletter", 50),
        "birthday": await way("birthday", 80),
        "follow": await way("follow", 20, url="https://instagram.com/alice"),
        "action": await way("action", 10, handle="check-in", per="day"),
    }
    await handle(created())
    ways = {one["kind"]: one for one in (await me(http))["ways_to_earn"]}
    assert {kind: one["state"] for kind, one in ways.items()} == {
        "order": "open",
        "account": "done",
        "newsletter": "open",
        "birthday": "open",
        "follow": "open",
        "action": "open",
    }
    assert ways["follow"]["url"] == "https://instagram.com/alice"
    assert {one["id"] for one in ways.values()} - {"order"} == {
        str(one.id) for one in made.values()
    }
    followed = await http.post(proxied("/storefront/actions"), json={"id": str(made["follow"].id)})
    assert followed.status_code == 200, followed.text
    assert followed.json()["way"]["outcome"] == "given"
    assert followed.json()["points"]["available"] == 120
    await calls.act(ALICE, "check-in", BOB, "key-1", "server", stores)
    ways = {one["kind"]: one for one in (await me(http))["ways_to_earn"]}
    assert ways["follow"]["state"] == "done"
    tomorrow = (datetime.now(UTC).date() + timedelta(days=1)).isoformat()
    assert (ways["action"]["state"], ways["action"]["again_at"]) == ("waiting", tomorrow)
    again = await http.post(proxied("/storefront/actions"), json={"id": str(made["follow"].id)})
    assert again.json()["way"]["outcome"] == "already"
    assert await figures() == {"available": 130}
    nobody = await me(http, None)
    assert {one["state"] for one in nobody["ways_to_earn"]} == {"open"}
    assert nobody["birthday"] is None


async def test_a_birthday_is_said_shown_at_once_and_changed_once_a_year(http, stores) -> None:
    await program()
    assert (await me(http))["birthday"] is None, "a shop that asks for none is told none"
    await way("birthday", 80)
    from app.points.panels import shopper
    from app.resilience import cache

    shopper.forget()
    await cache.clear(stores.cache)
    assert (await me(http))["birthday"] == {
        "month_day": None,
        "can_edit": True,
        "editable_from": None,
    }
    day, other = ("03-25", "02-29")
    said = await http.post(proxied("/storefront/birthday"), json={"month_day": day})
    assert said.status_code == 200, said.text
    assert said.json()["birthday"] == {"month_day": day, "can_edit": True, "editable_from": None}
    told = await me(http)
    assert told["birthday"]["month_day"] == day
    waiting = next(one for one in told["ways_to_earn"] if one["kind"] == "birthday")
    assert (waiting["state"], waiting["again_at"][4:]) == ("waiting", "-03-25")
    edited = await http.post(
        "/checkout/birthday", json={"month_day": f"2000-{other}"}, headers=bearer()
    )
    assert edited.status_code == 200, edited.text
    assert (await me(http))["birthday"]["can_edit"] is False
    refused = await http.post(proxied("/storefront/birthday"), json={"month_day": day})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "birthday_edited")
    assert await one("SELECT month_day FROM birthdays") == other


@pytest.mark.parametrize(
    "typed", ["2999-01-01", "02-30", "13-01", "1-1", "", "yesterday", "1899-12-31", "2001-02-29"]
)
async def test_a_birthday_in_the_future_or_on_no_day_is_refused(http, stores, typed) -> None:
    await program()
    await way("birthday", 80)
    answer = await http.post(proxied("/storefront/birthday"), json={"month_day": typed})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_birthday")
    assert await one("SELECT count(*) FROM birthdays") == 0


async def test_strangers_forms_and_other_shops_ways_are_refused(http, stores) -> None:
    await program()
    made = await way("follow", 20, url="https://instagram.com/alice")
    body = {"id": str(made.id)}
    nobody = await http.post(proxied("/storefront/actions", None), json=body)
    assert (nobody.status_code, nobody.json()["error"]["code"]) == (401, "sign_in")
    form = await http.post(proxied("/storefront/actions"), content=b'{"id": "1"}')
    assert form.status_code == 400
    elsewhere = await http.post(
        proxied("/storefront/actions", shop="charlie.myshopify.com"), json=body
    )
    assert elsewhere.status_code == 404
    await program(state="paused")
    paused = await http.post(proxied("/storefront/actions"), json=body)
    assert (paused.status_code, paused.json()["error"]["code"]) == (422, "program_not_live")
    assert await figures() == {}


async def test_on_the_day_itself_a_birthday_gives_at_once(http, stores) -> None:
    await program()
    made = await way("birthday", 80)
    await since(made, "2020-01-01T00:00:00Z")
    today = datetime.now(UTC).strftime("%m-%d")
    said = await http.post(proxied("/storefront/birthday"), json={"month_day": today})
    assert said.json()["points"]["available"] == 80
    again = await http.post(proxied("/storefront/birthday"), json={"month_day": today})
    assert again.json()["points"]["available"] == 80
