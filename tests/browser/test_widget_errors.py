"""Errors of the widget itself: told to the app with the shopper's consent, and never without."""

import json
import re

import pytest
from playwright.async_api import Page

from tests.browser.fake_shop import APP, ORIGIN, ROOT, FakeShop

pytestmark = pytest.mark.long  # a page of its own each

ALWAYS = "Math.random = () => 0"
YES = "window.Shopify = { customerPrivacy: { analyticsProcessingAllowed: () => true } }"
NO = "window.Shopify = { customerPrivacy: { analyticsProcessingAllowed: () => false } }"
ASKS = """window.Shopify = { loadFeatures: (wanted, done) => {
  window.wanted = wanted.map((one) => one.name);
  window.Shopify.customerPrivacy = { analyticsProcessingAllowed: () => true };
  setTimeout(done, 10); } }"""


async def broken(shop: FakeShop, *scripts: str) -> tuple[Page, list[dict[str, str]]]:
    """A page in which code of the widget fails when the panel's history is asked for."""
    page, _ = await shop.open()
    for script in scripts:
        await page.evaluate(script)
    told: list[dict[str, str]] = []

    async def keep(route) -> None:
        told.append(json.loads(route.request.post_data or "{}"))
        await route.fulfill(status=202, json={"outcome": "told"})

    await page.route(f"{ORIGIN}/apps/holdfast/errors", keep)
    await page.evaluate("document.querySelector('holdfast-widget').me.points = null")
    await page.evaluate(
        "() => { document.querySelector('holdfast-widget').view.account.dates(); "
        "setTimeout(() => document.querySelector('holdfast-widget').render()); }"
    )
    await page.wait_for_timeout(500)
    shop.page_errors.clear()
    return page, told


async def test_with_consent_an_error_is_told_once_with_its_place(shop: FakeShop) -> None:
    page, told = await broken(shop, ALWAYS, YES)
    assert [one["kind"] for one in told] == ["TypeError"]
    assert "/static/widget/holdfast.js" in told[0]["stack"]
    await page.evaluate("setTimeout(() => document.querySelector('holdfast-widget').render())")
    await page.wait_for_timeout(300)
    assert len(told) == 1
    shop.page_errors.clear()


@pytest.mark.parametrize("said", [NO, "window.Shopify = {}", "delete window.Shopify"])
async def test_without_consent_nothing_is_told(shop: FakeShop, said: str) -> None:
    _, told = await broken(shop, ALWAYS, said)
    assert told == []


async def test_shopifys_consent_api_is_loaded_where_it_is_not_yet(shop: FakeShop) -> None:
    page, told = await broken(shop, ALWAYS, ASKS)
    assert await page.evaluate("window.wanted") == ["consent-tracking-api"]
    assert len(told) == 1


async def test_a_script_of_another_origin_says_what_failed(shop: FakeShop) -> None:
    """Without `crossorigin` a browser tells of no more than "Script error."."""
    source = (ROOT / "devstore/templates/shop.html").read_text()
    written = re.search(r"<script [^>]*holdfast.js[^>]*></script>", source)
    assert written
    shop.tag = written[0].replace("{{ settings.app_url }}", APP)
    _, told = await broken(shop, ALWAYS, YES)
    assert [one["kind"] for one in told] == ["TypeError"]
    assert f"{APP}/static/widget/holdfast.js" in told[0]["stack"]


async def test_four_page_views_of_five_tell_nothing(shop: FakeShop) -> None:
    _, told = await broken(shop, "Math.random = () => 0.2", YES)
    assert told == []


async def test_an_error_of_the_theme_is_none_of_ours(shop: FakeShop) -> None:
    page, told = await broken(shop, YES)
    told.clear()
    await page.evaluate("setTimeout(() => { throw new Error('theirs') })")
    await page.wait_for_timeout(300)
    assert told == []
    shop.page_errors.clear()
