"""`python -m tests.browser.contact_sheet`: pictures of every page in both renderings, wide and
narrow, well and with Postgres stopped, on a sheet each under docs/.
"""

import base64
import html
import re

from playwright.sync_api import Browser, Page, expect

from app.config import ROOT
from tests.browser import programme_states, states
from tests.browser.album import smaller
from tests.browser.merchant import DRAWN, RENDERINGS, chromium, open_alone, tab
from tests.browser.states import Town
from tests.living import living
from tests.stack import Stack, wait_for

WIDTHS = {1280: 900, 390: 844}  # pixels, and how much of its height is shown
SHRUNK = 0.34
BYTES_MAX = 450_000
PAGES = {
    "Home": "/",
    "Customers": "/customers",
    "A customer": "/customers/BOB",
    "Change for many": "/customers/bulk",
    "Program": "/program",
    "What counts in an order": "/program/orders",
    "Preview": "/program/preview",
    "Rewards": "/rewards",
    "A new reward": "/rewards/new?kind=percent_off",
    "Tiers": "/tiers",
    "Ways to earn": "/ways",
    "Campaigns": "/campaigns",
    "A new campaign": "/campaigns/new",
    "A campaign": "CAMPAIGN",
    "Calendar": "/campaigns/calendar",
    "What if": "WHAT-IF",
    "Referrals": "/referrals",
    "To be looked at": "/referrals/queue",
    "A referral": "/referrals/REFERRAL",
    "What is offered": "/referrals/settings",
    "Corrections": "/corrections",
    "Appearance": "/appearance",
    "Health": "/health",
    "Set aside": "/health/set-aside/LETTER",
    "Nowhere": "/nowhere",
}
STYLE = """
body { margin: 24px; font: 15px system-ui, sans-serif; background: #fff; width: max-content; }
table { border-collapse: collapse; }
th { text-align: start; padding: 6px 10px 6px 0; vertical-align: top; font-weight: 600; }
td { padding: 4px 10px 10px 0; vertical-align: top; }
img { display: block; border: 1px solid #bbb; border-radius: 4px; }
"""


def main() -> None:
    with living() as stack, chromium() as browser:
        town = programme_states.settle(states.settle(stack))
        ids = {
            "LETTER": number(stack, "/health", r"/health/set-aside/(\d+)"),
            "REFERRAL": number(stack, "/referrals", r"/referrals/(\d+)"),
        }
        # what is seen once can be shown while Postgres is away
        save(browser, "well", "Everything works", pictures(browser, town, ids))
        stack.stop("postgres")
        wait_for(
            "health says so",
            lambda: "Everything works" not in stack.open_admin("/health").text,
            20,
        )
        save(browser, "postgres-stopped", "Postgres stopped", pictures(browser, town, ids))


def number(stack: Stack, path: str, at: str) -> str:
    """The first one of a page's addresses that are like `at`."""
    found = re.search(at, stack.open_admin(path).text)
    assert found, path
    return found[1]


def pictures(
    browser: Browser, town: Town, ids: dict[str, str]
) -> dict[tuple[str, str, int], bytes]:
    """PNG files by page, rendering and width."""
    found = {}
    for rendering in RENDERINGS:
        with tab(browser, rendering) as page:
            for width, height in WIDTHS.items():
                page.set_viewport_size({"width": width, "height": height})
                for name, path in PAGES.items():
                    at = states.at(town, path)
                    for stands_for, one in ids.items():
                        at = at.replace(stands_for, one)
                    found[name, rendering, width] = picture(page, town.stack, at)
    return found


def picture(page: Page, stack: Stack, path: str) -> bytes:
    open_alone(page, stack, path)
    expect(page.locator(DRAWN)).to_be_visible()
    page.wait_for_timeout(400)
    return page.screenshot()


def save(browser: Browser, name: str, title: str, seen: dict[tuple[str, str, int], bytes]) -> None:
    columns = [(rendering, width) for rendering in RENDERINGS for width in WIDTHS]
    head = "".join(f"<th>{rendering}, {width} wide</th>" for rendering, width in columns)
    rows = "".join(
        f"<tr><th>{html.escape(page)}</th>"
        + "".join(f"<td>{image(seen[page, *column], column[1])}</td>" for column in columns)
        + "</tr>"
        for page in PAGES
    )
    with tab(browser) as sheet:
        sheet.set_viewport_size({"width": 1400, "height": 800})
        sheet.set_content(
            f"<style>{STYLE}</style><h1>{html.escape(title)}</h1>"
            f"<table><tr><th></th>{head}</tr>{rows}</table>"
        )
        kept = smaller(browser, sheet.screenshot(full_page=True), BYTES_MAX)
    (ROOT / "docs" / f"pages-{name}.webp").write_bytes(kept)


def image(png: bytes, width: int) -> str:
    source = base64.b64encode(png).decode()
    return f'<img src="data:image/png;base64,{source}" alt="" width="{round(width * SHRUNK)}">'


if __name__ == "__main__":
    main()
