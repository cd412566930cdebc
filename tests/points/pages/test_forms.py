"""What the merchant changes of points: written once, by name, and what was typed is kept when it
cannot be.
"""

import uuid

import pytest

from tests.admin.staff import buys, text, value
from tests.points import world
from tests.points.world import ALICE, BOB

# changing something


async def test_an_adjustment_is_written_once_however_often_it_is_sent(alice) -> None:
    await buys()
    key = value(await alice.get(f"/customers/{BOB}"), "key")
    for _ in range(2):
        answer = await alice.post(
            f"/customers/{BOB}/adjust", points="+50", reason="late parcel", key=key
        )
        assert answer.status_code == 200
    assert await world.figures() == {"available": 99}
    assert "late parcel" in text(answer)
    assert value(answer, "key") != key
    assert "+50 points saved" in answer.headers["hx-toast"]


@pytest.mark.parametrize(
    ("points", "reason", "sentence"),
    [
        ("", "why", "Please give a whole number of points"),
        ("1.5", "why", "Please give a whole number of points"),
        ("0", "why", "Please give a whole number of points"),
        ("\u0665\u0660", "why", "Please give a whole number of points"),
        ("99999999", "why", "Please stay within 1,000,000 points"),
        ("50", "", "Please say why"),
        ("50", "x" * 501, "within 500 characters"),
        ("-50", "more than there is", "49"),
    ],
)
async def test_an_adjustment_that_cannot_be_says_why_and_keeps_what_was_typed(
    alice, points, reason, sentence
) -> None:
    await buys()
    key = str(uuid.uuid4())
    answer = await alice.post(f"/customers/{BOB}/adjust", points=points, reason=reason, key=key)
    assert answer.status_code == 422
    assert sentence in text(answer)
    assert [value(answer, name) for name in ("points", "reason", "key")] == [points, reason, key]
    assert await world.figures() == {"available": 49}


async def test_the_rules_are_edited_as_a_new_version_by_a_named_member_of_staff(alice) -> None:
    typed = {
        "rate": "1.5",
        "rounding": "up",
        "pending_days": "14",
        "expiry_days": "365",
        "clawback": "debt",
    }
    answer = await alice.post("/program/edit", **typed)
    assert answer.status_code == 200
    assert {name: value(answer, name) for name in ("rate", "pending_days", "expiry_days")} == {
        "rate": "1.5",
        "pending_days": "14",
        "expiry_days": "365",
    }
    assert "An order of $49.90 earns 75 points." in text(answer)
    assert "Staff 42" in text(answer)
    assert "1.5 a USD, round up" in text(answer)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"rate": "1e3"}, "Please give a number above 0"),
        ({"rate": "-1"}, "Please give a number above 0"),
        ({"rate": "0"}, "Please give a number above 0"),
        ({"rate": "1,5"}, "Please give a number above 0"),
        ({"pending_days": "soon"}, "Please give whole days"),
        ({"expiry_days": "0"}, "worth nothing"),
        ({"expiry_days": "9999"}, "Please give whole days"),
        ({"clawback": "all"}, "Please choose what happens on a refund"),
        ({"rounding": "sideways"}, "Please choose how to round"),
    ],
)
async def test_rules_that_cannot_be_say_why_and_keep_what_was_typed(alice, wrong, sentence) -> None:
    typed = {
        "rate": "2",
        "rounding": "up",
        "pending_days": "3",
        "expiry_days": "30",
        "clawback": "debt",
        **wrong,
    }
    before = await world.one("SELECT count(*) FROM program_versions")
    answer = await alice.post("/program/edit", **typed)
    assert answer.status_code == 422
    assert sentence in text(answer)
    for name in ("rate", "pending_days", "expiry_days"):
        assert value(answer, name) == typed[name]
    assert await world.one("SELECT count(*) FROM program_versions") == before


async def test_the_example_follows_what_is_typed(alice) -> None:
    assert "earns 74 points" in text(
        await alice.get("/program/example", rate="1.5", rounding="down")
    )
    assert "Give a rate" in text(await alice.get("/program/example", rate="<b>", rounding="down"))
    typed = {"rate": "1.5", "rounding": "up", "pending_days": "14", "expiry_days": "365"}
    assert text(await alice.get("/program/example", **typed, clawback="debt")) == (
        "An order of $49.90 earns 75 points. They can be spent 14 days after the order, and expire "
        "365 days later. When the order is refunded, all its points are taken back, and what is "
        "missing is owed."
    )


async def test_a_reward_is_added_changed_and_switched_off(alice) -> None:
    await alice.post("/rewards", kind="amount_off", title="Five off", cost="100", amount_off="5.00")
    reward_id = await world.one("SELECT id FROM rewards WHERE shop = $1", ALICE)
    await alice.post(
        f"/rewards/{reward_id}", kind="amount_off", title="Six off", cost="120", amount_off="6"
    )
    answer = await alice.post(f"/rewards/{reward_id}/switch")
    assert "Six off Amount off $6.00 120 points Switched off" in text(answer)


async def test_a_reward_that_cannot_be_says_why_and_keeps_what_was_typed(alice) -> None:
    answer = await alice.post(
        "/rewards", kind="amount_off", title="Free", cost="0", amount_off="-5"
    )
    assert answer.status_code == 422
    assert "at least 1" in text(answer)
    assert "an amount above 0" in text(answer)
    assert 'value="Free"' in answer.text
    assert await world.one("SELECT count(*) FROM rewards") == 0
