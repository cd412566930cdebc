"""A page with the widget, served from memory: what the app answers is up to the test."""

import asyncio
import copy
import json
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Locator, Page, Route

ROOT = Path(__file__).resolve().parent.parent.parent
ORIGIN = "https://alice.example"
APP = "https://app.example"  # where the widget comes from in a shop
SLOW_IMAGE_SECONDS = 0.3
ME: dict[str, Any] = {
    "customer_id": "7",
    "points": {
        "available": 240,
        "pending": 40,
        "held": 0,
        "as_of": "2025-03-04T14:02:00Z",
        "source": "live",
        "debt": 0,
        "sequence": 12,
    },
    "tier": None,
    "rewards": [
        {"id": "1", "title": "5.00 off", "cost": 100, "amount_off": "5.00", "currency": "USD"},
        {"id": "2", "title": "30.00 off", "cost": 500, "amount_off": "30.00", "currency": "USD"},
    ],
    "ways_to_earn": [
        {"kind": "order", "points": "1", "per": "1", "currency": "USD", "pending_days": 0}
    ],
    "referral": {"url": None, "status": "unavailable"},
    "notices": [],
    "tiers": [],
    "campaigns": [],
    "birthday": None,
    "appearance": None,
    "texts": {},
    "redemptions": [],
    "codes": [],
    "codes_next": "",
    "coming": [],
    "ending": [],
    "time_zone": "UTC",
}
CODE = "HF-7K2M-Q9XD"
TAG = '<script src="/static/widget/holdfast.js" defer></script>'


async def context_of(browser: Browser, **options: Any) -> BrowserContext:
    context = await browser.new_context(**{"locale": "en-US", "timezone_id": "UTC", **options})
    await context.grant_permissions(["clipboard-read", "clipboard-write"], origin=ORIGIN)
    return context


class FakeShop:
    """Alice's shop; `me`, `redemption`: (status, body), or None for a broken connection."""

    def __init__(self, browser: Browser, usual: BrowserContext) -> None:
        self.browser, self.usual = browser, usual
        self.me: tuple[int, Any] | None = (200, copy.deepcopy(ME))
        self.redemption: tuple[int, Any] | None = None
        self.redemption_seconds = 0.0
        self.pages: dict[str, tuple[int, Any] | None] = {}  # by address: more codes, the history
        self.posts: dict[str, tuple[int, Any] | None] = {}  # by address: what is answered to it
        self.sent: list[tuple[str, Any]] = []  # addresses with what was posted to them
        # paths in order; "image" when the page's slow image has been answered
        self.asked: list[str] = []
        self.keys: list[str] = []
        self.page_errors: list[str] = []
        self.direction, self.locale, self.root = "ltr", "en", ""
        self.contexts: list[BrowserContext] = []
        self.tag = ""  # of the widget's script, where it is another than the page's own

    @property
    def mine(self) -> dict[str, Any]:
        assert self.me
        body: dict[str, Any] = self.me[1]
        return body

    def give_code(self, state: str = "captured") -> None:
        """From now on a redemption of the first reward is answered so, and shows in `me`."""
        code = CODE if state == "captured" else ""
        made = {"id": "r1", "state": state, "code": code, "title": "5.00 off", "points": 100}
        held = 100 if state == "held" else 0
        sequence = self.mine["points"]["sequence"] + 1
        self.mine["points"] |= {"available": 140, "held": held, "sequence": sequence}
        self.mine["redemptions"] = [made]
        self.mine["codes"] = [made]
        body = {
            "redemption": {**made, "message": "Said by the app."},
            "points": self.mine["points"],
        }
        self.redemption = (200 if code else 202, body)

    async def visit(self, **context_options: Any) -> Page:
        """The page, loaded; the widget is there when `launcher` appears."""
        context = self.usual
        if context_options or context.pages:  # a second one is in another window, not a tab behind
            context = await context_of(self.browser, **context_options)
            self.contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: self.page_errors.append(str(error)))
        await page.route(f"{ORIGIN}/**", self._answer)
        await page.route(f"{APP}/**", _answer_as_the_app)
        await page.goto(f"{ORIGIN}/")
        return page

    async def open(self, **context_options: Any) -> tuple[Page, Locator]:
        page = await self.visit(**context_options)
        await page.locator(".launcher").click()
        panel = page.get_by_role("dialog")
        await panel.wait_for()
        return page, panel

    async def leave(self) -> None:
        for context in self.contexts:
            await context.close()
        for page in self.usual.pages:
            if page.url.startswith(ORIGIN):
                await page.evaluate("localStorage.clear(), sessionStorage.clear()")
            await page.close()
        await self.usual.clear_cookies()

    async def _answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN).split("?")[0]
        if path == "/":
            html = (Path(__file__).parent / "widget.html").read_text()
            for name in ("direction", "locale", "root"):
                html = html.replace(name.upper(), getattr(self, name))
            html = html.replace(TAG, self.tag or TAG)
            await route.fulfill(body=html, content_type="text/html")
        elif path == "/slow.png":
            await asyncio.sleep(SLOW_IMAGE_SECONDS)
            self.asked.append("image")
            await route.fulfill(status=404)
        elif path.startswith("/static/"):
            await route.fulfill(path=ROOT / path[1:])
        else:
            self.asked.append(path)
            await self._api(route, path.removeprefix(self.root))

    def _page(self, route: Route) -> tuple[int, Any] | None:
        return self.pages.get(route.request.url.removeprefix(f"{ORIGIN}/apps/holdfast"), (404, {}))

    async def _api(self, route: Route, path: str) -> None:
        if path == "/apps/holdfast/me":
            await _reply(route, self.me)
        elif path == "/apps/holdfast/redemptions":
            assert route.request.method == "POST"
            body = json.loads(route.request.post_data or "")
            self.keys.append(body["idempotency_key"])
            self.sent.append(("/redemptions", body))
            await asyncio.sleep(self.redemption_seconds)
            await _reply(route, self.redemption)
        elif path in {"/apps/holdfast/history", "/apps/holdfast/codes"}:
            await _reply(route, self._page(route))
        elif (name := path.removeprefix("/apps/holdfast")) in self.posts:
            self.sent.append((name, json.loads(route.request.post_data or "")))
            await _reply(route, self.posts[name])
        elif path.startswith("/discount/"):
            await route.fulfill(status=302, headers={"Location": "/"})
        else:
            await route.fulfill(status=404)


async def _answer_as_the_app(route: Route) -> None:
    path = ROOT / route.request.url.removeprefix(f"{APP}/").split("?")[0]
    await route.fulfill(path=path, headers={"Access-Control-Allow-Origin": "*"})


async def _reply(route: Route, answer: tuple[int, Any] | None) -> None:
    if answer is None:
        await route.abort()
    elif isinstance(answer[1], str):
        await route.fulfill(status=answer[0], body=answer[1], content_type="text/html")
    else:
        await route.fulfill(status=answer[0], json=answer[1])
