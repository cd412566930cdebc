"""Four pages stay open in a browser while each part stops and starts: what each of them showed,
second by second, in tables that PAGES_DURING_STOPS=1 writes to docs/.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Frame, Page, expect

from app.config import ROOT
from tests.browser.merchant import chromium, frame_of, open_admin, tab
from tests.stack import SHOP, Stack

pytestmark = pytest.mark.long

WRITTEN_TO = ROOT / "docs" / "pages-during-stops.md"
STOPPED_SECONDS, TOLD_WITHIN_SECONDS, OVER_WITHIN_SECONDS = 12, 20, 45
CALM = {"Home": "as always", "Customer": "as always", "Health": "Everything works"}
# what stops, and who must say so while it is away; the road's parts matter to every figure
ROAD = ("Home", "Customer", "Health")
PARTS = {
    "postgres": ROAD,
    "redis": ROAD,
    "shopify": ("Health",),
    "ingest": ROAD,
    "relay": ROAD,
    "points": ROAD,
    "core": ("Health",),
    "web": ROAD,
}
# in both renderings
BANNERS = """() => [
    ...document.querySelectorAll(":is(#away, #banners) :is(.banner strong, s-banner)")]
    .map((one) => one.getAttribute("heading") ?? one.textContent).join(" · ") || "as always" """
HEALTH = """() => [
    ...[...document.querySelectorAll("#away :is(.banner strong, s-banner)")]
        .map((one) => one.getAttribute("heading") ?? one.textContent),
    document.querySelector("#sentence strong")?.textContent ?? "nothing",
    ...[...document.querySelectorAll(":is(tbody tr, s-table-body s-table-row)")]
        .map((row) => [row, row.querySelector(
            ":is(.badge:not(.success), s-badge:not([tone=success]))")])
        // parts have their name in bold; letters that another test left are no part
        .filter(([row, badge]) => badge && row.querySelector("strong"))
        .map(([row, badge]) => `${row.querySelector("strong").textContent}: ${badge.textContent}`),
].join(" · ")"""
WIDGET = """() => {
    const inside = document.querySelector("holdfast-widget").shadowRoot;
    return inside.querySelector(".behind")?.textContent || "as always";
}"""


@dataclass
class Story:
    """What the pages showed at each second since a part was stopped, and when it was started."""

    part: str
    seconds: list[tuple[float, dict[str, str]]] = field(default_factory=list)
    started_at: float = 0.0

    def first(self, page: str, is_it: Callable[[str], bool], since: float = 0.0) -> float | None:
        return next((at for at, shown in self.seconds if at >= since and is_it(shown[page])), None)


class Pages:
    """The four pages, each in a window of its own."""

    def __init__(self, frames: dict[str, Frame], widget: Page) -> None:
        self.frames, self.widget = frames, widget

    def shown(self) -> dict[str, str]:
        found = {name: self._read(frame) for name, frame in self.frames.items()}
        return found | {"Widget": str(self.widget.evaluate(WIDGET))}

    def _read(self, frame: Frame) -> str:
        script = HEALTH if "/health" in frame.url else BANNERS
        return str(frame.evaluate(script)).strip()

    def look_again_at_the_widget(self) -> None:
        """It asks so seldom that it would tell of one part's stop while the next one is stopped."""
        self.widget.evaluate("() => document.querySelector('holdfast-widget').seen()")

    def pause(self, seconds: float) -> None:
        self.widget.wait_for_timeout(seconds * 1000)


@pytest.fixture
def pages(whole_stack: Stack) -> Iterator[Pages]:
    stack = whole_stack
    bob = stack.customer("Watched")
    stack.order(bob, "149.90")
    stack.wait_for_points(bob, 149)
    with ExitStack() as opened:
        browser = opened.enter_context(chromium())
        frames = {}
        addresses = {"Home": "/", "Customer": f"/customers/{bob}", "Health": "/health"}
        for name, address in addresses.items():
            page = opened.enter_context(tab(browser))
            open_admin(page, stack, address)
            frames[name] = frame_of(page, stack)
        shop = opened.enter_context(tab(browser))
        shop.goto(f"{stack.store_url}/shops/{SHOP}/")
        shop.get_by_label("Sign in as").select_option(bob)
        shop.get_by_role("button", name="Sign in", exact=True).click()
        launcher = shop.locator("holdfast-widget .launcher")
        expect(launcher).to_have_accessible_name("Rewards 149 points")
        launcher.click()
        yield Pages(frames, shop)


def test_every_open_page_says_what_is_away_and_stops_saying_it(
    whole_stack: Stack, pages: Pages
) -> None:
    stories = [watched(whole_stack, pages, part) for part in PARTS]
    if os.environ.get("PAGES_DURING_STOPS") == "1":
        WRITTEN_TO.write_text(written(stories))
    print(written(stories))
    wrong = [problem for story in stories for problem in problems(story)]
    assert wrong == []


def watched(stack: Stack, pages: Pages, part: str) -> Story:
    story = Story(part)
    calm_since = time.monotonic()
    pages.look_again_at_the_widget()
    while not is_calm(pages.shown()):
        assert time.monotonic() - calm_since < OVER_WITHIN_SECONDS, pages.shown()
        pages.pause(1)
    began = time.monotonic()
    stop(stack, part)
    while True:
        at = time.monotonic() - began
        shown = pages.shown()
        story.seconds.append((at, shown))
        if not story.started_at and at >= STOPPED_SECONDS:
            start(stack, part)
            story.started_at = time.monotonic() - began
        elif story.started_at and (is_calm(shown) or at > story.started_at + OVER_WITHIN_SECONDS):
            return story
        pages.pause(max(0.0, 1 - (time.monotonic() - began - at)))


def is_calm(shown: dict[str, str]) -> bool:
    return all(shown[name] == text for name, text in CALM.items())


def stop(stack: Stack, part: str) -> None:
    if part == "shopify":
        stack.control("POST", "shopify", {"mode": "gone"})
    else:
        stack.kill(part)


def start(stack: Stack, part: str) -> None:
    if part == "shopify":
        stack.control("POST", "shopify", {"mode": "normal"})
    else:
        stack.start(part)


def problems(story: Story) -> Iterator[str]:
    for page in PARTS[story.part]:
        told_at = story.first(page, lambda text, page=page: text != CALM[page])
        if told_at is None or told_at > TOLD_WITHIN_SECONDS:
            yield f"{page} did not say that {story.part} was away ({told_at})"
    for page, text in CALM.items():
        over_at = story.first(page, lambda shown, text=text: shown == text, story.started_at)
        if over_at is None:
            yield f"{page} did not stop saying that {story.part} was away"


# the tables


def written(stories: list[Story]) -> str:
    head = (
        "# What open pages showed while parts stopped and started\n\n"
        "Home, a customer, Health and the widget stand open in a browser; each part is killed for "
        f"{STOPPED_SECONDS} seconds and started again. Made by "
        "`tests/faults/test_pages_during_stops.py`; seconds in which nothing changed share a "
        "row. An admin page asks every 5 s (Health every 2 s), more seldom while nothing "
        "answers; the widget every 30 s.\n"
    )
    return head + "".join(f"\n{table(story)}" for story in stories) + f"\n{summary(stories)}"


def table(story: Story) -> str:
    names = list(story.seconds[0][1])
    rows: list[tuple[int, int, dict[str, str], bool]] = []
    for at, shown in story.seconds:
        is_started = bool(story.started_at) and at >= story.started_at
        if rows and rows[-1][2] == shown and rows[-1][3] == is_started:
            rows[-1] = (rows[-1][0], round(at), shown, is_started)
        else:
            rows.append((round(at), round(at), shown, is_started))
    lines = [
        f"## {story.part}",
        "",
        f"Started again after {story.started_at:.0f} s.",
        "",
        f"| second | part | {' | '.join(names)} |",
        f"|---|---|{'---|' * len(names)}",
    ]
    for first, last, shown, is_started in rows:
        span = str(first) if first == last else f"{first}–{last}"  # noqa: RUF001 - a span
        state = "started" if is_started else "stopped"
        lines.append(f"| {span} | {state} | {' | '.join(shown[name] for name in names)} |")
    return "\n".join(lines) + "\n"


def summary(stories: list[Story]) -> str:
    lines = [
        "## How soon each page said so, and stopped saying it",
        "",
        "Seconds after the stop, and after the start; a dash where a page need say nothing.",
        "",
        f"| part | {' | '.join(CALM)} |",
        f"|---|{'---|' * len(CALM)}",
    ]
    for story in stories:
        cells = []
        for page, text in CALM.items():
            told_at = story.first(page, lambda shown, text=text: shown != text)
            over_at = story.first(page, lambda shown, text=text: shown == text, story.started_at)
            if told_at is None:
                cells.append("–")  # noqa: RUF001 - a dash
            else:
                over = "never" if over_at is None else f"{over_at - story.started_at:.0f}"
                cells.append(f"{told_at:.0f} / {over}")
        lines.append(f"| {story.part} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
