"""What shoppers see: their link in `me`, and the page it leads to in the shop's own storefront."""

from typing import Any

import pytest

from app.db import Stores
from app.errors import UnavailableError
from app.referrals.claims import codes, discounts
from app.referrals.panels import landing, shopper
from tests.points.world import now, one
from tests.referrals.test_codes import Shop
from tests.referrals.world import BOB, claim, handle, link_of, offer, person, referral
from tests.storefront.callers import proxied
from tests.storefront.conftest import _nothing_remembered, app, http

__all__ = ["_nothing_remembered", "app", "http"]
PHONE = {"user-agent": "Safari on a phone", "x-forwarded-for": "198.51.100.23"}


@pytest.fixture
def shopify(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Shop:
    stand_in = Shop()
    monkeypatch.setattr(discounts.admin_api, "call", stand_in.call)
    return stand_in


def page(code: str, customer: str | None = None) -> str:
    return proxied(f"/storefront/r/{code}", customer)


async def told(http: Any, customer: str | None = BOB) -> dict[str, Any]:
    return (await http.get(proxied("/storefront/me", customer))).json()["referral"]


async def ask(http: Any, customer: str = BOB, **body: Any) -> Any:
    return await http.post(proxied("/storefront/referral-link", customer), json=body, headers=PHONE)


async def test_a_member_asks_for_their_link_and_has_it_from_then_on(http, stores: Stores) -> None:
    await offer()
    assert (await told(http))["url"] is None
    answer = await ask(http, device="bobs-phone")
    assert answer.status_code == 200
    found = answer.json()["referral"]
    assert found["status"] == "ready"
    assert "/apps/holdfast/r/" in found["url"]
    offered = found["offer"]
    assert (offered["friend"], offered["advocate"]) == ("10% off your first order", "100 points")
    assert (offered["friend_kind"], offered["friend_value"]) == ("percent", "10")
    assert (await told(http)) == found
    assert await one("SELECT count(*) FROM referral_marks WHERE kind = 'device'") == 1


async def test_the_eleventh_of_an_hour_reads_that_the_link_is_on_its_way(
    http, stores: Stores
) -> None:
    await offer()
    for number in range(10):
        assert (await ask(http, str(9000 + number))).status_code == 200
    answer = await ask(http, "9999")
    assert answer.status_code == 202
    found = answer.json()["referral"]
    assert (found["status"], found["url"]) == ("queued", None)
    assert found["message"] == "Your link is on its way."
    assert (await told(http, "9999"))["status"] == "queued"


async def test_with_referrals_stalled_the_shopper_keeps_the_link_or_is_queued_by_a_fact(
    http, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.flow.bus import consumer
    from app.flow.bus.buses import open_bus
    from app.referrals import handlers

    await offer()
    has_one = (await ask(http)).json()["referral"]

    async def hangs(*_: object) -> None:
        raise UnavailableError("stalled")

    with monkeypatch.context() as stalled:
        stalled.setattr(shopper.links, "ask", hangs)
        stalled.setattr(shopper, "_offered", hangs)
        stalled.setattr(shopper, "_own", hangs)
        stalled.setattr(shopper, "FRESH_SECONDS", -1.0)
        stalled.setattr(shopper, "OWN_FRESH_SECONDS", -1.0)
        shopper.forget()
        assert (await told(http))["url"] == has_one["url"]
        answer = await ask(http, "7009")
        assert answer.status_code == 202
        assert answer.json()["referral"]["status"] == "queued"
    assert await one("SELECT count(*) FROM referral_links") == 1
    bus = open_bus(stores.config)
    for _ in range(2):
        await consumer.run_once(
            handlers.SERVICE, handlers.TOPICS, handlers.handler(stores), bus, stores
        )
    assert await one("SELECT count(*) FROM referral_links WHERE customer_id = '7009'") == 1
    from app.referrals.links import actions as links

    await links.make_due(stores)
    assert (await ask(http, "7009")).json()["referral"]["status"] == "ready"


async def test_a_friend_follows_the_link_claims_and_gets_the_code_without_scripts(
    http, stores: Stores, shopify: Shop
) -> None:
    await offer()
    code = await link_of(stores)
    seen = await http.get(page(code), headers=PHONE)
    assert seen.status_code == 200
    assert seen.headers["content-type"].startswith("application/liquid")
    assert "10% off your first order" in seen.text
    await http.get(page(code), headers=PHONE)
    assert await one("SELECT sum(visits) FROM referral_visits") == 1, "once an hour of one visitor"
    answer = await http.post(page(code), data={"email": "frida@example.com"}, headers=PHONE)
    assert answer.status_code == 200
    given = (await referral())["code"]
    assert given in answer.text
    assert f"/discount/{given}" in answer.text
    for typed in (code, code.upper()):  # as somebody reads it out
        again = await http.post(page(typed), data={"email": "frida@example.com"}, headers=PHONE)
        assert given in again.text


async def test_a_code_that_shopify_does_not_make_at_once_is_on_its_way(
    http, stores: Stores, shopify: Shop
) -> None:
    await offer()
    code = await link_of(stores)
    shopify.failures = [UnavailableError("away")]
    answer = await http.post(page(code), data={"email": "frida@example.com"}, headers=PHONE)
    assert answer.status_code == 202
    assert "on its way" in answer.text
    from datetime import timedelta

    await codes.sweep(stores, None, now() + timedelta(minutes=1))
    again = await http.post(page(code), data={"email": "frida@example.com"}, headers=PHONE)
    assert "FRIEND-" in again.text


@pytest.mark.parametrize(
    ("accepted", "offered", "problem"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", "10% Rabatt auf deine erste Bestellung", "Bitte gib deine"),
        ("fr", "10% de réduction sur votre première commande", "Donnez votre adresse"),
        ("es-MX", "10% de descuento en tu primer pedido", "Escribe tu correo"),
        ("tlh, en", "10% off your first order", "Please give your"),
        ("{{x}}", "10% off your first order", "Please give your"),
    ],
)
async def test_the_page_speaks_the_language_of_whoever_follows_the_link(
    http, stores: Stores, accepted: str, offered: str, problem: str
) -> None:
    await offer()
    headers = {**PHONE, "accept-language": accepted}
    code = await link_of(stores)
    assert offered in (await http.get(page(code), headers=headers)).text
    answer = await http.post(page(code), data={"email": "nobody"}, headers=headers)
    assert problem in answer.text


def test_every_language_has_all_the_words() -> None:
    from app.referrals.panels import words

    sentences = {one for one in words.WORDS["de"] if one not in words.WORDS["en"]}
    assert len(sentences) == 7
    for language, known in words.WORDS.items():
        expected = {*words.WORDS["en"], *(() if language == "en" else sentences)}
        assert set(known) == expected, language
    assert set(words.OFFERS) == set(words.WORDS)


async def test_who_ordered_before_the_app_was_there_reads_it_at_once(
    http, stores: Stores, shopify: Shop
) -> None:
    await offer()
    shopify.ordered = {"frida@example.com": 2}
    code = await link_of(stores)
    answer = await http.post(page(code), data={"email": "frida@example.com"}, headers=PHONE)
    assert answer.status_code == 422
    assert "people who are new here" in answer.text


async def test_what_people_typed_is_neither_html_nor_liquid(http, stores: Stores) -> None:
    await offer()
    code = await link_of(stores)
    nasty = '{{ shop.secret }}{% raw %}"><script>alert(1)</script>@x'
    answer = await http.post(page(code), data={"email": nasty}, headers=PHONE)
    assert answer.status_code == 400
    assert "Please give your e-mail address" in answer.text
    assert "{{" not in answer.text
    assert "{%" not in answer.text
    assert "<script>alert" not in answer.text
    assert landing.liquid_safe("{{ x }}") == "&#123;&#123; x &#125;&#125;"


@pytest.mark.parametrize("code", ["0000000000", "nothing", "%7B%7Bx%7D%7D"])
async def test_an_address_without_a_link_gets_a_plain_page(http, stores: Stores, code: str) -> None:
    await offer()
    answer = await http.get(page(code), headers=PHONE)
    assert answer.status_code in {404, 405}
    assert "{{" not in answer.text


async def test_the_members_own_link_says_so_and_no_stranger_comes_without_the_signature(
    http, stores: Stores
) -> None:
    await offer()
    code = await link_of(stores)
    assert "your own link" in (await http.get(page(code, BOB), headers=PHONE)).text
    assert (await http.get(f"/storefront/r/{code}", headers=PHONE)).status_code == 401


async def test_many_addresses_of_one_connection_are_too_many(http, stores: Stores) -> None:
    await offer()
    code = await link_of(stores)
    for number in range(6):
        await http.post(page(code), data={"email": f"f{number}@example.com"}, headers=PHONE)
    answer = await http.post(page(code), data={"email": "f7@example.com"}, headers=PHONE)
    assert answer.status_code == 429
    assert "Too many addresses" in answer.text
    assert "f7@example.com" in answer.text, "what was typed is still there"


async def test_who_is_refused_reads_the_same_whatever_the_reason(http, stores: Stores) -> None:
    await offer()
    await handle(stores, person(BOB, "bob@example.com"))
    code = await link_of(stores)
    own = await http.post(page(code), data={"email": "bob@example.com"}, headers=PHONE)
    assert own.status_code == 422
    assert "people who are new here" in own.text


async def test_with_the_database_away_the_page_says_so_and_keeps_what_was_typed(
    http, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    await offer()
    code = await link_of(stores)

    async def away(*_: object) -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as broken:
        broken.setattr(landing.claims, "claim", away)
        answer = await http.post(page(code), data={"email": "frida@example.com"}, headers=PHONE)
        assert answer.status_code == 503
        assert "frida@example.com" in answer.text
    monkeypatch.setattr(landing.link_reads, "by_code", away)
    answer = await http.get(page(code), headers=PHONE)
    assert answer.status_code == 503
    assert "not lost" in answer.text


async def test_a_share_is_told_only_with_consent(
    http, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracked: list[Any] = []
    monkeypatch.setattr(shopper.product, "track", lambda told, *_: tracked.append(told))
    address = proxied("/storefront/referral-clicks")
    await http.post(address, json={"channel": "whatsapp"})
    assert tracked == []
    answer = await http.post(address, json={"channel": "whatsapp", "consent": True})
    assert answer.status_code == 202
    assert [(type(one).event, one.channel) for one in tracked] == [("referral_clicked", "whatsapp")]
    bad = await http.post(address, json={"channel": "carrier pigeon", "consent": True})
    assert bad.status_code == 400


async def test_counts_in_me_follow_the_claims(http, stores: Stores) -> None:
    await offer()
    await claim(stores, await link_of(stores))
    assert (await told(http))["counts"] == {"waiting": 1, "completed": 0}


async def test_with_referrals_switched_off_nobody_sees_an_offer(http, stores: Stores) -> None:
    await offer()
    code = await link_of(stores)
    await offer(is_on=False)
    assert (await told(http))["status"] == "unavailable"
    assert (await http.get(page(code), headers=PHONE)).status_code == 404
