"""`python -m tests.browser.pictures [name ...]`: the demo shop's pages and widget as pictures under
docs/, first as they always are, then with a part stopped, hanging or stalled.
"""

import base64
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from playwright.sync_api import Browser, Locator, Page, expect

from app.config import ROOT
from devstore.demo.history import SHOP
from tests.browser.merchant import DRAWN, chromium, tab
from tests.faults.beside import Beside
from tests.faults.test_campaigns_away import AS_OF, GO_ON, STALL
from tests.faults.test_referrals_down import AWAY
from tests.living import living
from tests.stack import Stack, wait_for

BYTES_MAX = 120_000
DEMO_SECONDS = 600
WIDE, NARROW = (1280, 900), (390, 844)
ADMIN = {
    "admin-program": "/program",
    "admin-rewards": "/rewards",
    "admin-tiers": "/tiers",
    "admin-ways": "/ways",
    "admin-campaigns": "/campaigns",
    "admin-campaign": "CAMPAIGN",
    "admin-campaign-new": "/campaigns/new",
    "admin-what-if": "WHAT-IF",
    "admin-calendar": "/campaigns/calendar",
    "admin-referrals": "/referrals",
    "admin-queue": "/referrals/queue",
    "admin-referral": "/referrals/1",
    "admin-customer": "CUSTOMER",
    "admin-appearance": "/appearance",
    "admin-health": "/health",
}
PHONE = {
    "phone-home": "/",
    "phone-campaigns": "/campaigns",
    "phone-referrals": "/referrals",
    "phone-customer": "CUSTOMER",
    "admin-appearance-phone": "/appearance",
}


class Album:
    """Takes the pictures that are wanted; all where none is named."""

    def __init__(self, browser: Browser, stack: Stack, wanted: set[str]) -> None:
        self.browser, self.stack, self.wanted = browser, stack, wanted
        self.places: dict[str, str] = {}  # what stands for an address in the lists above

    def admin(
        self,
        name: str,
        path: str,
        size: tuple[int, int] = WIDE,
        act: Callable[[Page], None] = lambda _page: None,
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
            self._keep(name, page.screenshot())

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
            self._keep(name, page.screenshot())

    def page(self, name: str, url: str) -> None:
        """A page of the store itself."""
        if not self._is_wanted(name):
            return
        with tab(self.browser) as page:
            page.goto(url)
            page.wait_for_timeout(2500)
            self._keep(name, page.screenshot())

    def _is_wanted(self, name: str) -> bool:
        return not self.wanted or name in self.wanted

    def _keep(self, name: str, png: bytes) -> None:
        kept, kind = png, "png"
        if name != "admin-home":  # which pages outside of docs/ show by its name
            kept, kind = smaller(self.browser, png), "webp"
        (ROOT / "docs" / f"{name}.{kind}").write_bytes(kept)
        print(f"docs/{name}.{kind} {len(kept):,} bytes", flush=True)


def smaller(browser: Browser, png: bytes) -> bytes:
    """The same as WebP, as good as BYTES_MAX lets it be."""
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
            if len(kept) <= BYTES_MAX:
                break
    return kept


def main() -> None:
    with living((SHOP,), DEVSTORE_DEMO="on") as stack, chromium() as browser:
        wait_for("the demo shop is told", lambda: is_told(stack), DEMO_SECONDS)
        album = Album(browser, stack, set(sys.argv[1:]))
        bob = named(stack, "Bob Marsh")
        campaign = re.search(
            r"/campaigns/[0-9a-f-]{36}(?=[^>]*>(?:<bdi>)?Double points month)",
            stack.open_admin("/campaigns", SHOP).text,
        )
        assert campaign
        album.places = {
            "CUSTOMER": f"/customers/{bob}",
            "CAMPAIGN": campaign[0],
            "WHAT-IF": campaign[0].replace("/campaigns/", "/campaigns/what-if/"),
        }
        well(album, bob)
        for away in (referrals_stopped, campaigns_hanging, campaigns_stalled, points_stopped):
            away(album, bob)


def is_told(stack: Stack) -> bool:
    """Whether the last of the demo's history is there: the friends of its members."""
    return "Rewarded" in stack.open_admin("/referrals", SHOP).text.partition("All referrals")[2]


def named(stack: Stack, name: str) -> str:
    """The id of a customer."""
    found = re.search(rf"/customers/(\d+)[^>]*>(?:<bdi>)?{name}", admin(stack, "/customers"))
    assert found, name
    return found[1]


def admin(stack: Stack, path: str) -> str:
    return stack.open_admin(path, SHOP).text


def well(album: Album, bob: str) -> None:
    album.admin("admin-home", "/")
    for name, path in ADMIN.items():
        album.admin(name, path, act=tried if name == "admin-what-if" else as_it_is)
    for name, path in PHONE.items():
        album.admin(name, path, NARROW)
    album.shop("widget", bob, as_it_is)
    album.shop("widget-programme", bob, level)
    link = album.stack.me(bob, SHOP)["referral"]["url"].rpartition("/")[2]
    store = album.stack.store_url
    album.page("referral-landing", f"{store}/shops/{SHOP}/apps/holdfast/r/{link}")
    album.page("break-it", f"{store}/break")


def referrals_stopped(album: Album, bob: str) -> None:
    with away(album.stack, "referrals", AWAY):
        album.admin("stopped-referrals-home", "/", act=to(AWAY))
        album.admin("stopped-referrals", "/referrals")
        album.shop("stopped-referrals-widget", bob, friends)
        use_up_the_hour(album.stack)
        carol = str(album.stack.customer("Carol", SHOP))
        asked = album.stack.proxy("POST", "/storefront/referral-link", carol, SHOP, json={})
        assert asked.json()["referral"]["status"] == "queued", asked.text
        album.shop("stopped-referrals-queued", carol, friends)


def campaigns_hanging(album: Album, bob: str) -> None:
    with away(album.stack, "campaigns", AS_OF):
        album.admin("stopped-campaigns-home", "/")
        album.admin("stopped-campaigns", "CAMPAIGN")
        before = album.stack.me(bob, SHOP)["points"]["available"]
        album.stack.order(bob, "30.00", SHOP)
        wait_for(
            "the order earned",
            lambda: album.stack.me(bob, SHOP)["points"]["available"] > before,
            30,
        )
        album.admin("stopped-campaigns-customer", "CUSTOMER", act=opened)


def campaigns_stalled(album: Album, _bob: str) -> None:
    """Their tables answer so late that it is as good as never."""
    for path in ("/", "/campaigns"):  # what is seen once can be shown on bad days
        admin(album.stack, path)
    beside = Beside(album.stack)
    try:
        beside.execute(STALL)
        album.admin("stalled-campaigns-home", "/", act=to("Campaigns as of"))
    finally:
        beside.execute(GO_ON)
        beside.close()


def points_stopped(album: Album, bob: str) -> None:
    with away(album.stack, "points", "Points are catching up"):
        album.admin("stopped-points-home", "/")
        album.shop("stopped-points-widget", bob, as_it_is)


@contextmanager
def away(stack: Stack, part: str, said: str) -> Iterator[None]:
    """A part that stands still (SIGSTOP), from when home says so."""
    stack.pause(part)
    try:
        wait_for(f"home says that {part} is away", lambda: said in admin(stack, "/"), 60)
        yield
    finally:
        stack.resume(part)
        wait_for(f"{part} is back", lambda: said not in admin(stack, "/"), 60)


def use_up_the_hour(stack: Stack) -> None:
    """Links are asked for until one has to wait."""
    for number in range(20):
        other = stack.customer(f"Member{number}", SHOP)
        answer = stack.proxy("POST", "/storefront/referral-link", other, SHOP, json={})
        if answer.json()["referral"]["status"] == "queued":
            return


def as_it_is(_page: Page) -> None:
    """Nothing is done before the picture."""


def level(page: Page) -> None:
    down_to(page, "Your level")


def friends(page: Page) -> None:
    down_to(page, "Invite friends")


def down_to(page: Page, heading: str) -> None:
    """What stands under a heading of the widget."""
    place = page.locator("holdfast-widget h3", has_text=heading)
    place.evaluate("(one) => { one.scrollIntoView({ block: 'start' }); }")
    page.wait_for_timeout(500)


def opened(page: Page) -> None:
    """Why the newest points are there."""
    page.locator("#events details.why > summary").first.click()
    page.wait_for_timeout(300)


def tried(page: Page) -> None:
    page.get_by_role("button", name="Try it").click()
    page.wait_for_timeout(8000)


def to(said: str) -> Callable[[Page], None]:
    """What scrolls to where a page says so."""

    def scrolled(page: Page) -> None:
        place: Locator = page.get_by_text(said).first
        place.evaluate("(one) => { one.scrollIntoView({ block: 'center' }); }")
        page.wait_for_timeout(300)

    return scrolled


if __name__ == "__main__":
    main()
