"""`python -m tests.browser.pictures [name ...]`: the demo shop's pages and widget as pictures under
docs/, first as they always are, then with a part stopped, hanging or stalled.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import httpx
from playwright.sync_api import Locator, Page

from app.config import ROOT
from devstore.demo.history import SHOP
from local import servers
from tests.browser.album import NARROW, Album, as_it_is
from tests.browser.merchant import DRAWN, chromium, tab
from tests.faults.beside import Beside
from tests.faults.test_campaigns_away import AS_OF, GO_ON, STALL
from tests.faults.test_referrals_down import AWAY
from tests.living import living
from tests.stack import Stack, wait_for

DEMO_SECONDS = 600
LAST = "tess@mailinator.com"  # of the demo's friends
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


def main() -> None:
    wanted = set(sys.argv[1:])
    if not wanted or "break-it" in wanted:
        break_it(wanted)
    if wanted == {"break-it"}:
        return
    with living((SHOP,), DEVSTORE_DEMO="on") as stack, chromium() as browser:
        wait_for("the demo shop is told", lambda: is_told(stack), DEMO_SECONDS)
        album = Album(browser, stack, wanted)
        bob = named(stack, "Bob Marsh")
        campaign = named(stack, "Double points month", "/campaigns", r"[0-9a-f-]{36}")
        album.places = {
            "CUSTOMER": f"/customers/{bob}",
            "CAMPAIGN": f"/campaigns/{campaign}",
            "WHAT-IF": f"/campaigns/what-if/{campaign}",
        }
        well(album, bob)
        for away in (referrals_stopped, campaigns_hanging, campaigns_stalled, points_stopped):
            away(album, bob)


def break_it(wanted: set[str]) -> None:
    """Its page, with what `make run` runs and one of them paused."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as name, chromium() as browser:
        store, web = servers.free_port(), servers.free_port()
        ports = {"HOLDFAST_DATA": name, "PORT": str(web), "DEVSTORE_PORT": str(store)}
        running = subprocess.Popen(
            [sys.executable, "-m", "local.run"], cwd=ROOT, env={**os.environ, **ports}
        )
        try:
            url = f"http://127.0.0.1:{store}/break"
            wait_for("all of it runs", lambda: is_answered(url), DEMO_SECONDS)
            with tab(browser) as page:
                wait_for("the app is drawn in it", lambda: is_drawn_in(page, url), DEMO_SECONDS)
                page.get_by_role("button", name="Pause referrals").click()
                page.wait_for_timeout(8000)
                Album(browser, None, wanted).keep("break-it", page.screenshot())
                page.get_by_role("button", name="Resume referrals").click()
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(60)


def is_drawn_in(page: Page, url: str) -> bool:
    """Whether a merchant sees the app in it, opened anew; the first look may be slow."""
    page.goto(url)
    page.wait_for_timeout(6_000)
    inside = page.frame_locator("#merchant").frame_locator("iframe")
    return inside.locator(DRAWN).first.is_visible()


def is_answered(url: str) -> bool:
    try:
        return "Pause referrals" in httpx.get(url).text
    except httpx.HTTPError:
        return False


def is_told(stack: Stack) -> bool:
    """Whether the last of the demo's history is there: the friends of its members."""
    return LAST in admin(stack, "/referrals")


def named(stack: Stack, name: str, path: str = "/customers", like: str = r"\d+") -> str:
    """The id of a customer, or of what else a list names; a busy machine lists it later."""
    found: list[str] = []

    def is_listed() -> bool:
        found[:] = re.findall(rf"{path}/({like})[^>]*>(?:<bdi>)?{name}", admin(stack, path))
        return bool(found)

    wait_for(f"{name} is listed", is_listed, 60)
    return found[0]


def admin(stack: Stack, path: str) -> str:
    return stack.open_admin(path, SHOP).text


def well(album: Album, bob: str) -> None:
    album.admin("admin-home", "/")
    try_it(album.stack, album.places["WHAT-IF"])
    for name, path in ADMIN.items():
        album.admin(name, path)
    for name, path in PHONE.items():
        album.admin(name, path, NARROW)
    album.shop("widget", bob, as_it_is)
    album.shop("widget-programme", bob, level)
    link = album.stack.me(bob, SHOP)["referral"]["url"].rpartition("/")[2]
    store = album.stack.store_url
    album.page("referral-landing", f"{store}/shops/{SHOP}/apps/holdfast/r/{link}")


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
    with ThreadPoolExecutor(1) as thread:  # the browser's loop runs here
        beside = thread.submit(Beside, album.stack).result()
        try:
            thread.submit(beside.execute, STALL).result()
            album.admin("stalled-campaigns-home", "/", act=to("Campaigns as of"))
        finally:
            thread.submit(beside.execute, GO_ON).result()
            thread.submit(beside.close).result()


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


def try_it(stack: Stack, path: str) -> None:
    """The orders of the last 30 days are gone through with a campaign."""
    token = stack.control("GET", f"shops/{SHOP}/id-token")["id_token"]
    asked = stack.http.post(f"{stack.app_url}{path}", headers={"Authorization": f"Bearer {token}"})
    assert asked.status_code == 200, asked.text
    wait_for("they are gone through", lambda: "Who gains most" in admin(stack, path), 60)


def use_up_the_hour(stack: Stack) -> None:
    """Links are asked for until one has to wait."""
    for number in range(20):
        other = stack.customer(f"Member{number}", SHOP)
        answer = stack.proxy("POST", "/storefront/referral-link", other, SHOP, json={})
        if answer.json()["referral"]["status"] == "queued":
            return


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


def to(said: str) -> Callable[[Page], None]:
    """What scrolls to where a page says so."""

    def scrolled(page: Page) -> None:
        place: Locator = page.get_by_text(said).first
        place.evaluate("(one) => { one.scrollIntoView({ block: 'center' }); }")
        page.wait_for_timeout(300)

    return scrolled


if __name__ == "__main__":
    main()
