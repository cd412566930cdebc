"""The widget as a merchant chose it: colours, place, icon, pages without it, and its words."""

import re
from typing import Any

import pytest
from playwright.async_api import expect

from app.core.looks import reads
from app.core.looks.views import Look
from tests.browser.fake_shop import FakeShop
from tests.browser.test_widget import CONTRAST
from tests.browser.test_widget_programme import everything

DARK = Look(accent="#ffd400", text="#f0f0f0", background="#101014", corner="start", radius=0)
READ = (".launcher", "h3", "b", "small", ".main", ".plain", ".code", ".total", ".good")


async def test_it_wears_what_was_chosen_and_every_text_can_be_read_on_dark(shop: FakeShop) -> None:
    everything(shop)
    shop.give_code()
    shop.mine["appearance"] = reads.shown(DARK)
    page, panel = await shop.open()
    await expect(page.locator(".launcher")).to_have_css("background-color", "rgb(255, 212, 0)")
    await expect(panel).to_have_css("background-color", "rgb(16, 16, 20)")
    await expect(panel).to_have_css("border-radius", "0px")
    box = await panel.bounding_box()
    assert box
    assert box["x"] < 100, "on the other side"
    for selector in READ:
        for element in await page.locator(f"holdfast-widget {selector}").all():
            if await element.is_visible():
                assert await element.evaluate(CONTRAST) >= 4.45, selector
    assert [one for one in await page.evaluate("shifts") if not one["recent"]] == []


async def test_a_button_without_text_still_has_its_name(shop: FakeShop) -> None:
    shop.mine["appearance"] = reads.shown(Look(launcher="icon", icon="star"))
    page = await shop.visit()
    launcher = page.locator(".launcher")
    await expect(launcher).to_have_accessible_name("Rewards 240 points")
    await expect(launcher.locator("span").first).to_have_css("position", "absolute")


@pytest.mark.parametrize(("hidden", "is_there"), [(["home"], False), (["cart", "other"], True)])
async def test_a_kind_of_page_without_it_has_nothing_of_it(
    shop: FakeShop, hidden: list[str], is_there: bool
) -> None:
    shop.mine["appearance"] = {**reads.shown(Look()), "hidden": hidden}
    page = await shop.visit()
    shadow = "document.querySelector('holdfast-widget').shadowRoot !== null"
    await page.wait_for_function("document.querySelector('holdfast-widget').me !== undefined")
    await page.wait_for_timeout(300)
    assert await page.evaluate(shadow) is is_there


async def test_what_is_no_colour_or_number_changes_nothing(shop: FakeShop) -> None:
    odd: Any = {"colours": {"accent": "red; } * { display: none"}, "radius": "1px; x", "icon": 7}
    shop.mine["appearance"] = {**odd, "corner": None, "offset": None, "launcher": None}
    page = await shop.visit()
    await expect(page.locator(".launcher")).to_have_css("background-color", "rgb(29, 29, 38)")


async def test_a_merchants_own_words_come_before_ours_as_text(shop: FakeShop) -> None:
    shop.mine["texts"] = {
        "launcher": "Tea points",
        "points.other": "{count} leaves",
        "redeemList": "<b>Get</b> {gone}",
        "nonsense": "x",
        "balance": 7,
    }
    page, panel = await shop.open()
    await expect(page.locator(".launcher")).to_have_text(re.compile("^Tea points"))
    await expect(panel).to_contain_text("260 leaves to $30.00 off")
    await expect(panel).to_contain_text("<b>Get</b> {gone}")
    await expect(panel).to_contain_text("Your balance")


@pytest.mark.parametrize(
    ("locale", "texts"),
    [
        ("fr", ["Votre solde", "Encore 260 points avant 30,00 $US de réduction", "Utiliser"]),
        ("es", ["Tu saldo", "Faltan 260 puntos para 30,00 US$ de descuento", "Canjear"]),
    ],
)
async def test_french_and_spanish_come_from_their_files_with_their_plurals(
    shop: FakeShop, locale: str, texts: list[str]
) -> None:
    shop.locale = locale
    everything(shop)
    dear = {"id": "9", "title": "30.00 off", "cost": 500, "amount_off": "30.00", "currency": "USD"}
    shop.mine["rewards"] = [shop.mine["rewards"][0], dear]
    shop.mine["points"]["pending"] = 1
    _, panel = await shop.open(locale=f"{locale}-{locale.upper()}")
    await expect(panel.locator(".content")).to_have_attribute("lang", locale)
    for text in texts:
        await expect(panel).to_contain_text(re.compile(re.escape(text).replace(r"\ ", r"\s")))
    one = {"fr": "1 point en attente", "es": "1 punto en camino"}[locale]
    await expect(panel).to_contain_text(one)
