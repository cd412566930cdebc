"""What axe finds in eighty states of the pages and in the widget's: nothing, of any level."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Frame, Page

from tests.browser import programme_states, states
from tests.browser.merchant import RENDERINGS, chromium, frame_of, tab
from tests.browser.states import State, Town, show
from tests.living import living
from tests.stack import SHOP, Stack, wait_for

pytestmark = pytest.mark.long
NOTHING_YET = states.NOTHING_YET + programme_states.NOTHING_YET
WELL = programme_states.WELL + states.WELL
AWAY = states.AWAY + programme_states.AWAY


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def new_shop() -> Iterator[Stack]:
    """A stack whose shop has just installed the app: its programme is a draft."""
    with living(PROGRAM_STARTS_AS="draft") as started:
        yield started


def violations(frame: Frame | Page) -> list[str]:
    """What is wrong and where, in a line each."""
    found = Axe().run(frame).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:200]}"
        for one in found
        for node in one["nodes"]
    ]


def found_in(
    browser: Browser, town: Town, seen: tuple[State, ...], rendering: str
) -> dict[str, list[str]]:
    """The violations by state, those without any left out; each state in a tab of its own."""
    found = {}
    for state in seen:
        with tab(browser, rendering) as page:
            show(page, town, state)
            page.wait_for_timeout(700)  # a fade is no contrast
            if wrong := violations(frame_of(page, town.stack)):
                found[state.name] = wrong
    return found


@pytest.mark.parametrize("rendering", RENDERINGS)
def test_no_state_of_the_pages_has_a_violation(
    browser: Browser, new_shop: Stack, rendering: str
) -> None:
    stack = new_shop
    found = {"new": found_in(browser, Town(stack, ""), NOTHING_YET, rendering)}
    states.post(stack, "/program/state", {"state": "live"})
    town = programme_states.settle(states.settle(stack))
    found["well"] = found_in(browser, town, WELL, rendering)
    for part, stop in (("points", stack.stop_long_ago), ("postgres", stack.stop)):
        stop(part)
        wait_for(
            f"{part} is seen to be away",
            lambda: "Everything works" not in stack.open_admin("/health").text,
            20,
        )
        found[part] = found_in(browser, town, AWAY, rendering)
        stack.start(part)
        wait_for("all is well", lambda: stack.health().get("status") == "ok", 30)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    assert len(NOTHING_YET) + len(WELL) + 2 * len(AWAY) >= 80


def test_no_page_outside_of_admin_has_a_violation(browser: Browser, stack: Stack) -> None:
    found = {}
    for name, path in {
        "a stranger": "/",
        "operators": "/operator",
        "flags": "/operator/flags",
        "the shop": "",
    }.items():
        with tab(browser) as page:
            page.goto(f"{stack.app_url}{path}" if path else f"{stack.store_url}/shops/{SHOP}/")
            if wrong := violations(page):
                found[name] = wrong
    assert found == {}
