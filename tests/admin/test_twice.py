"""Two tabs, ten clicks, another language: what is saved is what somebody meant, once."""

import asyncio
import re
import uuid

import pytest

from app.points.earning import actions as earning
from tests.admin.staff import buys, text, value
from tests.points import world
from tests.points.world import ALICE, BOB

RULES = {
    "rate": "1",
    "rounding": "down",
    "pending_days": "0",
    "expiry_days": "",
    "clawback": "within_balance",
}


async def versions() -> int:
    return await world.one("SELECT count(*) FROM program_versions WHERE shop = $1", ALICE)


async def test_two_tabs_cannot_revert_each_others_rules_and_a_conflict_shows_both(alice) -> None:
    await alice.get("/")
    version = value(await alice.get("/program"), "version")
    first = await alice.post("/program/edit", **{**RULES, "rate": "2"}, version=version)
    assert first.status_code == 200
    before = await versions()
    second = {**RULES, "expiry_days": "365", "version": version}
    answer = await alice.post("/program/edit", **second)
    assert answer.status_code == 409
    seen = text(answer)
    assert "Somebody else changed the rules meanwhile" in seen
    assert "Points for each unit spent 2 1" in seen
    assert "Points expire after, days nothing 365" in seen
    assert value(answer, "expiry_days") == "365"
    assert await versions() == before
    # knowing both, saving again is meant
    second["version"] = value(answer, "version")
    assert (await alice.post("/program/edit", **second)).status_code == 200
    assert value(await alice.get("/program"), "rate") == "1"


async def test_a_version_that_changed_no_rule_is_no_conflict(alice) -> None:
    await alice.get("/")
    version = value(await alice.get("/program"), "version")
    await earning.ensure_program(ALICE, "USD", "Asia/Tokyo")
    assert await versions() == int(version) + 1
    answer = await alice.post("/program/edit", **{**RULES, "rate": "3"}, version=version)
    assert answer.status_code == 200


async def test_ten_clicks_on_save_make_one_version(alice) -> None:
    await alice.get("/")
    version = value(await alice.get("/program"), "version")
    before = await versions()
    answers = [
        await alice.post("/program/edit", **{**RULES, "rate": "4"}, version=version)
        for _ in range(10)
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert await versions() == before + 1


async def test_ten_clicks_at_once_add_one_reward_and_another_form_another(alice) -> None:
    page = await alice.get("/rewards/new?kind=amount_off")
    key = value(page, "key")
    fields = {"kind": "amount_off", "title": "Five off", "cost": "100", "amount_off": "5.00"}
    answers = await asyncio.gather(*(alice.post("/rewards", **fields, key=key) for _ in range(3)))
    answers += [await alice.post("/rewards", **fields, key=key) for _ in range(7)]
    assert {answer.status_code for answer in answers} == {200}
    count = "SELECT count(*) FROM rewards WHERE shop = $1 AND title = 'Five off'"
    assert await world.one(count, ALICE) == 1
    again = value(await alice.get("/rewards/new?kind=amount_off"), "key")
    assert again != key
    await alice.post("/rewards", **fields, key=again)
    assert await world.one(count, ALICE) == 2


async def test_one_key_with_other_contents_is_refused_and_says_so(alice) -> None:
    key = str(uuid.uuid4())
    await alice.post(
        "/rewards", kind="amount_off", title="Five off", cost="100", amount_off="5", key=key
    )
    answer = await alice.post(
        "/rewards", kind="amount_off", title="Six off", cost="100", amount_off="5", key=key
    )
    assert answer.status_code == 409
    assert "has made the reward “Five off” already" in text(answer)


async def test_two_tabs_cannot_revert_each_others_reward(alice) -> None:
    await alice.post("/rewards", kind="amount_off", title="Five off", cost="100", amount_off="5.00")
    reward_id = await world.one("SELECT id FROM rewards WHERE shop = $1", ALICE)
    path = f"/rewards/{reward_id}"
    await alice.post(
        path, kind="amount_off", title="Five off", cost="150", amount_off="5.00", version="1"
    )
    answer = await alice.post(
        path, kind="amount_off", title="Five!", cost="100", amount_off="5.00", version="1"
    )
    assert answer.status_code == 409
    assert "Costs 150 100" in text(answer)
    assert "Name Five off Five!" in text(answer)
    assert await world.one("SELECT cost FROM rewards WHERE id = $1", reward_id) == 150


async def test_switching_off_in_two_tabs_is_off_and_keeps_what_was_edited(alice) -> None:
    await alice.post("/rewards", kind="amount_off", title="Five off", cost="100", amount_off="5.00")
    reward_id = await world.one("SELECT id FROM rewards WHERE shop = $1", ALICE)
    path = f"/rewards/{reward_id}"
    await alice.post(
        path, kind="amount_off", title="Six off", cost="120", amount_off="6", version="1"
    )
    for _ in range(10):
        answer = await alice.post(f"{path}/switch", on="0")
        assert answer.status_code == 200
    assert "Six off Amount off $6.00 120 points Switched off" in text(answer)


async def test_two_of_staff_who_mean_the_same_are_told_of_each_other(alice) -> None:
    await buys()
    path = f"/customers/{BOB}"
    tabs = [await alice.get(path), await alice.get(path)]
    keys = [(value(tab, "key"), value(tab, "version")) for tab in tabs]
    fields = {"points": "50", "reason": "late parcel"}
    await alice.post(f"{path}/adjust", **fields, key=keys[0][0], version=keys[0][1])
    answer = await alice.post(f"{path}/adjust", **fields, key=keys[1][0], version=keys[1][1])
    assert answer.status_code == 409
    assert "+50 by Staff 42: late parcel" in text(answer)
    assert await world.figures() == {"available": 99}
    knowing = {"key": keys[1][0], "version": value(answer, "version")}
    assert (await alice.post(f"{path}/adjust", **fields, **knowing)).status_code == 200
    assert await world.figures() == {"available": 149}


async def test_an_adjustment_names_who_made_it(alice) -> None:
    await buys()
    key = value(await alice.get(f"/customers/{BOB}"), "key")
    answer = await alice.post(f"/customers/{BOB}/adjust", points="5", reason="sorry", key=key)
    assert "Given by Staff 42, 5 points: sorry" in text(answer)


# numbers as people write them


@pytest.mark.parametrize(
    ("locale", "typed", "kept"),
    [("de", "1,5", "1.5000"), ("de", "1.5", "1.5000"), ("pt-BR", "2,25", "2.2500")],
)
async def test_a_decimal_comma_is_read_where_the_locale_writes_one(
    alice, locale, typed, kept
) -> None:
    await alice.get("/")
    answer = await alice.post(f"/program/edit?locale={locale}", **{**RULES, "rate": typed})
    assert answer.status_code == 200
    rate = "SELECT rate::text FROM program_versions WHERE shop = $1 ORDER BY version DESC LIMIT 1"
    assert await world.one(rate, ALICE) == kept
    assert value(answer, "rate") == kept.rstrip("0").replace(".", ",")


@pytest.mark.parametrize(("locale", "typed"), [("en", "1,5"), ("de-CH", "1,5"), ("de", "1.500")])
async def test_what_could_be_two_numbers_is_refused(alice, locale, typed) -> None:
    answer = await alice.post(f"/program/edit?locale={locale}", **{**RULES, "rate": typed})
    assert answer.status_code == 422
    assert value(answer, "rate") == typed


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({"cost": "10000001"}, "10,000,000"),
        ({"amount_off": "100001"}, "100,000"),
        ({"title": "x" * 121}, "120 characters"),
    ],
)
async def test_an_error_names_the_real_limit(alice, fields, limit) -> None:
    whole = {
        "kind": "amount_off",
        "title": "Five off",
        "cost": "100",
        "amount_off": "5.00",
        **fields,
    }
    answer = await alice.post("/rewards", **whole)
    assert answer.status_code == 422
    assert limit in text(answer)


async def test_a_refused_form_is_marked_so_that_no_poll_takes_what_was_typed(alice) -> None:
    answer = await alice.post("/rewards", kind="amount_off", title="Mine", cost="0", amount_off="5")
    forms = re.findall(r"<form[^>]*data-refused[^>]*>", answer.text)
    assert len(forms) == 1
    assert "hx-morph-skip" in forms[0]
