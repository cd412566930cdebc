"""The page about the widget's look: what is typed is checked, tried, saved, and told the widget."""

import html
import json
import re

from app.core.looks import actions, reads
from app.core.looks.views import Look
from app.core.models import Shop
from tests.admin.staff import text, value
from tests.points.world import ALICE
from tests.storefront.callers import proxied

TYPED = {
    "accent": "#AA0000",
    "text": "#1d1d26",
    "background": "#ffffff",
    "icon": "star",
    "launcher": "icon",
    "corner": "start",
    "offset": "30",
    "radius": "0",
    "page_home": "on",
    "page_product": "on",
    "page_collection": "on",
    "page_cart": "off",
    "page_other": "on",
    "version": "0",
}


async def test_a_look_is_saved_and_told_to_the_widget(alice, http) -> None:
    page = await alice.get("/appearance")
    assert value(page, "accent") == "#1d1d26"
    assert value(page, "version") == "0"
    answer = await alice.post("/appearance/look", **TYPED)
    assert "Saved" in answer.headers["hx-toast"]
    assert (await reads.look(ALICE)).look.hidden == ("cart",)
    me = (await http.get(proxied("/storefront/me"))).json()
    told = me["appearance"]
    assert (told["icon"], told["corner"], told["offset"]) == ("star", "start", 30)
    assert (told["colours"]["accent"], told["hidden"]) == ("#aa0000", ["cart"])


async def test_text_nobody_can_read_is_refused_with_the_nearest_colour_beside_it(alice) -> None:
    answer = await alice.post("/appearance/look", **{**TYPED, "text": "#bbbbbb"})
    assert answer.status_code == 422
    assert "This text is hard to read on its background" in text(answer)
    assert 'data-use="#767676"' in answer.text
    assert value(answer, "text") == "#bbbbbb", "what was typed is still there"
    answer = await alice.post("/appearance/look", **{**TYPED, "offset": "a lot", "radius": "99"})
    assert answer.status_code == 422
    assert "Please give whole pixels" in text(answer)


async def test_what_is_typed_can_be_tried_before_it_is_saved(alice) -> None:
    answer = await alice.get("/appearance/tried", **{**TYPED, "accent": "#ffee00"})
    assert "Buttons hardly stand out" in text(answer)
    found = re.search(r'data-look="([^"]+)"', answer.text)
    assert found
    assert json.loads(html.unescape(found[1]))["colours"]["accent"] == "#ffee00"
    assert (await reads.look(ALICE)).version == 0
    assert "data-look" in (await alice.get("/appearance/tried", accent="x")).text


async def test_two_tabs_do_not_overwrite_each_other(alice) -> None:
    await actions.save_look(ALICE, Look(accent="#00aa00"), "Bob", 0)
    answer = await alice.post("/appearance/look", **TYPED)
    assert answer.status_code == 409
    assert "Somebody else changed the appearance meanwhile" in text(answer)
    assert "#00aa00" in text(answer)
    again = await alice.post("/appearance/look", **{**TYPED, "version": "1"})
    assert again.status_code == 200


async def test_every_text_can_be_found_and_said_otherwise(alice, http) -> None:
    page = await alice.get("/appearance", lang="fr", q="panier")
    assert "Appliquer au panier" in text(page)
    assert "Copier" not in text(page)
    answer = await alice.post(
        "/appearance/texts?lang=fr", **{"text:apply": "Mettre", "version": "0"}
    )
    assert "Saved" in answer.headers["hx-toast"]
    me = (await http.get(proxied("/storefront/me", lang="fr"))).json()
    assert me["texts"] == {"apply": "Mettre"}
    assert (await http.get(proxied("/storefront/me", lang="de"))).json()["texts"] == {}
    wrong = {"text:apply": "{x}", "version": "1"}
    answer = await alice.post("/appearance/texts?lang=fr&q=panier", **wrong)
    assert answer.status_code == 422
    assert "There is no {x} in this text" in text(answer)


async def test_a_shop_whose_storefront_asks_has_the_widget_and_checkout_does_not_say_so(
    http, stores
) -> None:
    await http.get(proxied("/storefront/me"))
    assert (await Shop.get(domain=ALICE)).widget_seen_at is not None
    assert (await Shop.get(domain="charlie.myshopify.com")).widget_seen_at is None
