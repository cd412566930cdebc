"""Takes pictures of pages and of the widget for docs/, each small enough to be looked at there."""

import base64
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, expect

from app.config import ROOT
from devstore.demo.history import SHOP
from tests.browser.merchant import DRAWN, tab

BYTES_MAX = 120_000
WIDE, NARROW = (1280, 900), (390, 844)


def as_it_is(_page: Page) -> None:
    """Nothing is done before the picture."""


class Album:
    """Takes the pictures that are wanted; all where none is named."""

    def __init__(self, browser: Browser, stack: Any, wanted: set[str]) -> None:
        self.browser, self.stack, self.wanted = browser, stack, wanted
        self.places: dict[str, str] = {}  # what stands for an address in the lists above

    def admin(
        self,
        name: str,
        path: str,
        size: tuple[int, int] = WIDE,
        act: Callable[[Page], None] = as_it_is,
    ) -> None:
        if not self._is_wanted(name):
            return
        with tab(self.browser, "native") as page:
            page.set_viewport_size({"width": size[0], "height": size[1]})
            token = self.stack.control("GET", f"shops/{SHOP}/id-token")["id_token"]
            query = urlencode({"id_token": token, "shop": SHOP, "embedded": "1"})
            at = self.places.get(path, path)
            page.goto(f"{self.stack.app_url}{at}?{query}", wait_until="domcontentloaded")
            expect(page.locator(DRAWN)).to_be_attached()
            page.wait_for_timeout(1500)  # the preview of the widget comes by itself
            act(page)
            self.keep(name, page.screenshot())

    def shop(self, name: str, customer_id: str, act: Callable[[Page], None]) -> None:
        """The widget, opened by a shopper in the stand-in store."""
        if not self._is_wanted(name):
            return
        with tab(self.browser) as page:
            page.set_viewport_size({"width": 1000, "height": 800})
            page.goto(f"{self.stack.store_url}/shops/{SHOP}/")
            page.get_by_label("Sign in as").select_option(customer_id)
            page.get_by_role("button", name="Sign in", exact=True).click()
            launcher = page.locator("holdfast-widget .launcher")
            expect(launcher).to_have_accessible_name(re.compile("points"))
            launcher.click()
            page.wait_for_timeout(1500)
            act(page)
            self.keep(name, page.screenshot())

    def page(self, name: str, url: str) -> None:
        """A page of the store itself."""
        if not self._is_wanted(name):
            return
        with tab(self.browser) as page:
            page.goto(url)
            page.wait_for_timeout(2500)
            self.keep(name, page.screenshot())

    def _is_wanted(self, name: str) -> bool:
        return not self.wanted or name in self.wanted

    def keep(self, name: str, png: bytes) -> None:
        kept, kind = png, "png"
        if name != "admin-home":  # which pages outside of docs/ show by its name
            kept, kind = smaller(self.browser, png), "webp"
        (ROOT / "docs" / f"{name}.{kind}").write_bytes(kept)
        print(f"docs/{name}.{kind} {len(kept):,} bytes", flush=True)


def smaller(browser: Browser, png: bytes, bytes_max: int = BYTES_MAX) -> bytes:
    """The same as WebP, as good as `bytes_max` lets it be."""
    with tab(browser) as page:
        for quality in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3):
            found: str = page.evaluate(
                """async ([source, quality]) => {
                    const image = new Image();
                    image.src = source;
                    await image.decode();
                    const canvas = document.createElement("canvas");
                    canvas.width = image.width;
                    canvas.height = image.height;
                    canvas.getContext("2d").drawImage(image, 0, 0);
                    return canvas.toDataURL("image/webp", quality);
                }""",
                [f"data:image/png;base64,{base64.b64encode(png).decode()}", quality],
            )
            kept = base64.b64decode(found.partition(",")[2])
            if len(kept) <= bytes_max:
                break
    return kept
