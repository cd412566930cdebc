"""The look and the words of the widget as the storefront tells them, on good days and bad ones."""

from app.core.looks import actions
from app.core.looks.views import Look
from app.core.models import Shop
from app.resilience import cache
from app.storefront import looks
from tests.points.world import ALICE
from tests.storefront.callers import bearer, proxied
from tests.web_app import install


async def test_a_shop_that_chose_nothing_has_the_widgets_own(http, rewards) -> None:
    body = (await http.get(proxied("/storefront/me"))).json()
    assert (body["appearance"], body["texts"]) == (None, {})


async def test_extensions_get_the_same_and_texts_in_no_language_but_the_one_asked_for(
    http, rewards
) -> None:
    await actions.save_look(ALICE, Look(accent="#aa0000"), "Alice", 0)
    await actions.save_texts(ALICE, "de", {"redeem": "Holen"}, "Alice", 0)
    for lang, texts in (("de", {"redeem": "Holen"}), ("fr", {}), ("<script>", {})):
        body = (await http.get(proxied("/storefront/me", lang=lang))).json()
        assert body["texts"] == texts
        assert body["appearance"]["colours"]["accent"] == "#aa0000"
    body = (await http.get("/checkout/me?lang=de", headers=bearer())).json()
    assert body["texts"] == {"redeem": "Holen"}


async def test_with_the_database_away_the_last_look_stays_and_nothing_else_is_missing(
    http, rewards, take_postgres_away
) -> None:
    await actions.save_look(ALICE, Look(accent="#aa0000"), "Alice", 0)
    before = (await http.get(proxied("/storefront/me"))).json()
    take_postgres_away()
    looks.forget()
    body = (await http.get(proxied("/storefront/me"))).json()
    assert body["appearance"] == before["appearance"]
    assert [one["id"] for one in body["rewards"]] == [one["id"] for one in before["rewards"]]
    looks.forget()
    cache.forget()
    assert (await http.get(proxied("/storefront/me"))).status_code == 200


async def test_it_is_noted_that_a_shop_has_the_widget_once_an_hour_and_by_nobody_else(
    http, rewards
) -> None:
    await install(ALICE)
    await http.get("/checkout/me", headers=bearer())
    assert (await Shop.get(domain=ALICE)).widget_seen_at is None
    await http.get(proxied("/storefront/me"))
    first = (await Shop.get(domain=ALICE)).widget_seen_at
    assert first is not None
    looks.forget()  # as another process
    await http.get(proxied("/storefront/me"))
    assert (await Shop.get(domain=ALICE)).widget_seen_at == first
