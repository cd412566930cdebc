"""The page of ways to earn, and the doors of a shop's own server and of Shopify Flow."""

import hmac
import json
from base64 import b64encode
from hashlib import sha256

import pytest

from app.points.pages import api
from tests.admin.staff import text, value
from tests.conftest import SECRET
from tests.points.ways.world import ledger, way
from tests.points.world import ALICE, BOB, figures, one, program


async def test_an_empty_page_teaches_and_a_way_is_made_changed_and_switched_off(alice) -> None:
    page = await alice.get("/ways")
    assert "Begin with an account" in text(page)
    form = await alice.get("/ways", add="account")
    assert "It begins their welcome" in text(form)
    key = value(form, "key")
    for _ in range(2):
        made = await alice.post("/ways", kind="account", title="Join us", points="100", key=key)
        assert made.status_code == 200, text(made)
    assert "Join us 100 points" in text(made)
    assert await one("SELECT count(*) FROM ways") == 1
    way_id = await one("SELECT id FROM ways")
    changed = await alice.post(f"/ways/{way_id}", title="Join us", points="120", version="1")
    assert "120 points" in text(changed)
    stale = await alice.post(f"/ways/{way_id}", title="Join us", points="130", version="1")
    assert stale.status_code == 409
    assert "Saved meanwhile" in text(stale)
    off = await alice.post(f"/ways/{way_id}/switch", on="0")
    assert "switched off" in text(off)
    assert [tuple(row) for row in await _versions()] == [
        (1, 100, True),
        (2, 120, True),
        (3, 120, False),
    ]


async def _versions():
    from app import db

    async with db.connection() as conn:
        return await conn.fetch(
            "SELECT version, points, is_active FROM way_versions ORDER BY version"
        )


@pytest.mark.parametrize(
    ("kind", "fields", "sentence"),
    [
        ("account", {"title": "", "points": "5"}, "Please give a name"),
        ("account", {"title": "Join", "points": "0"}, "Please give a whole number of points"),
        ("account", {"title": "Join", "points": "1.5"}, "Please give a whole number of points"),
        ("follow", {"title": "F", "points": "5", "url": "instagram"}, "beginning with https://"),
        ("follow", {"title": "F", "points": "5", "url": "javascript://x.y/"}, "https://"),
        ("action", {"title": "R", "points": "5", "handle": "A b"}, "small letters"),
        ("action", {"title": "R", "points": "5", "handle": "r", "per": "hour"}, "how often"),
        (
            "action",
            {"title": "R", "points": "5", "handle": "r", "per": "day", "times": "101"},
            "from 1 to 100",
        ),
        ("nothing", {}, "Please choose what is to give points."),
    ],
)
async def test_what_makes_no_sense_says_why_and_makes_nothing(
    alice, kind, fields, sentence
) -> None:
    answer = await alice.post("/ways", kind=kind, **fields)
    assert answer.status_code == 422
    assert sentence in text(answer)
    assert await one("SELECT count(*) FROM ways") == 0


async def test_a_way_of_another_shop_is_not_there(alice, charlie) -> None:
    made = await way("account", 100)
    assert (await charlie.post(f"/ways/{made.id}", title="x", points="1")).status_code == 404
    assert "Begin with an account" in text(await charlie.get("/ways"))


async def test_a_second_account_or_the_same_link_is_refused_with_a_sentence(alice) -> None:
    await way("account", 100)
    again = await alice.post("/ways", kind="account", title="Again", points="5")
    assert (again.status_code, "There is “A account” for this already" in text(again)) == (
        409,
        True,
    )
    await way("follow", 5, url="https://www.instagram.com/alice/")
    same = await alice.post(
        "/ways", kind="follow", title="F", points="5", url="https://instagram.com/alice"
    )
    assert same.status_code == 409


async def test_a_key_is_shown_once_and_lets_the_shops_server_in(alice) -> None:
    await program()
    await way("action", 30, handle="review", per="once")
    made = await alice.post("/ways/key")
    key = next(word for word in text(made).split() if word.startswith("hfk_alice_"))
    assert key not in text(await alice.get("/ways"))
    ask = {"action": "review", "customer_id": int(BOB)}
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "review-1"}
    http = alice.http
    for _ in range(2):
        answer = await http.post("/api/v1/actions", json=ask, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {
            "outcome": "given",
            "points": 30,
            "action": "review",
            "customer_id": BOB,
        }
    assert await figures() == {"available": 30}
    for wrong in ({}, {"Authorization": "Bearer hfk_alice_" + "x" * 32}):
        refused = await http.post(
            "/api/v1/actions", json=ask, headers={**wrong, "Idempotency-Key": "k"}
        )
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorized")
    unkeyed = await http.post(
        "/api/v1/actions", json=ask, headers={"Authorization": f"Bearer {key}"}
    )
    assert (unkeyed.status_code, "Idempotency-Key" in unkeyed.text) == (400, True)
    other = await http.post("/api/v1/actions", json={**ask, "customer_id": "7002"}, headers=headers)
    assert other.status_code == 409
    assert (await http.get("/api/v1/actions", headers=headers)).status_code == 405
    await alice.post("/ways/key/remove")
    assert (await http.post("/api/v1/actions", json=ask, headers=headers)).status_code == 401


async def test_flow_is_let_in_by_shopifys_signature_alone(alice) -> None:
    await program()
    await way("action", 30, handle="review", per="once")
    body = json.dumps(
        {
            "shop_id": "gid://shopify/Shop/1",
            "shopify_domain": ALICE,
            "action_run_id": "01H-run-1",
            "handle": "give-points",
            "properties": {"action": "review", "customer_id": int(BOB)},
        }
    ).encode()
    digest = b64encode(hmac.digest(SECRET.encode(), body, sha256)).decode()
    headers = {"X-Shopify-Hmac-Sha256": digest, "Content-Type": "application/json"}
    for _ in range(2):
        answer = await alice.http.post("/api/v1/flow/actions", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["return_value"]["points"] == 30
    assert await figures() == {"available": 30}
    assert await ledger() == ["30 points for “A action”, told by Shopify Flow (version 1)."]
    forged = body.replace(b"01H-run-1", b"01H-run-2")
    answer = await alice.http.post("/api/v1/flow/actions", content=forged, headers=headers)
    assert answer.status_code == 401


async def test_who_tries_wrong_keys_does_not_keep_the_shops_own_server_from_being_heard(
    alice, monkeypatch
) -> None:
    monkeypatch.setattr(api, "SHOP_BURST", 3)
    monkeypatch.setattr(api, "SHOP_PER_SECOND", 0.001)
    await program()
    await way("action", 30, handle="review", per="once")
    made = await alice.post("/ways/key")
    key = next(word for word in text(made).split() if word.startswith("hfk_alice_"))
    ask = {"action": "review", "customer_id": int(BOB)}
    wrong = {
        "Authorization": "Bearer hfk_alice_" + "x" * 32,
        "Idempotency-Key": "k",
        "X-Forwarded-For": "203.0.113.66",
    }
    tried = [
        (await alice.http.post("/api/v1/actions", json=ask, headers=wrong)).status_code
        for _ in range(5)
    ]
    assert tried == [401, 401, 401, 429, 429], "who tries is slowed down"
    right = {"Authorization": f"Bearer {key}", "Idempotency-Key": "1"}
    right["X-Forwarded-For"] = "198.51.100.9"
    answer = await alice.http.post("/api/v1/actions", json=ask, headers=right)
    assert answer.status_code == 200, answer.text


async def test_the_shops_own_server_tells_birthdays_it_knows_under_the_same_rules(alice) -> None:
    await program()
    await way("birthday", 80)
    made = await alice.post("/ways/key")
    key = next(word for word in text(made).split() if word.startswith("hfk_alice_"))
    headers = {"Authorization": f"Bearer {key}"}

    async def tell(**body: object):
        return await alice.http.post("/api/v1/birthdays", json=body, headers=headers)

    for _ in range(2):
        answer = await tell(customer_id=int(BOB), birthday="1988-02-29")
        assert answer.status_code == 200, answer.text
        assert answer.json() == {
            "customer_id": BOB,
            "month_day": "02-29",
            "can_edit": True,
            "editable_from": None,
        }
    assert await one("SELECT count(*) FROM birthdays") == 1
    assert (await tell(customer_id=BOB, birthday="2100-01-01")).status_code == 400
    assert (await tell(customer_id=BOB, birthday="13-01")).status_code == 400
    assert (await tell(customer_id="Bob", birthday="03-25")).status_code == 400
    assert (await tell(customer_id=BOB, birthday="03-25")).status_code == 200
    again = await tell(customer_id=BOB, birthday="03-26")
    assert (again.status_code, again.json()["error"]["code"]) == (422, "birthday_edited")
    bare = await alice.http.post("/api/v1/birthdays", json={"customer_id": 1, "birthday": "03-25"})
    assert bare.status_code == 401
