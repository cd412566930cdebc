"""Panels are islands: of every service each of the five states is drawn, and one that fails or
hangs takes no other with it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from app.admin import home
from app.resilience import reading
from app.resilience.reading import Reading
from app.services import SERVICES
from app.web import panels, views
from app.web.pages import Visit
from app.web.panels import Home, Panel
from tests.admin.staff import buys, open_circuit, text

NAMES = [one.name for one in SERVICES]
Load = Callable[[Visit], Awaitable[Reading[str]]]


async def live(_visit: Visit) -> Reading[str]:
    return reading.live("a figure")


async def old(_visit: Visit) -> Reading[str]:
    return reading.cached("an old figure", datetime.now(UTC) - timedelta(hours=2))


async def in_making(_visit: Visit) -> Reading[None]:
    return reading.live(None)


async def nothing(_visit: Visit) -> Reading[str]:
    return reading.live("")


async def broken(_visit: Visit) -> Reading[str]:
    raise ZeroDivisionError


async def hanging(_visit: Visit) -> Reading[str]:
    await asyncio.sleep(60)
    raise AssertionError("unreachable")


@pytest.fixture
def template(monkeypatch: pytest.MonkeyPatch) -> str:
    """A template that draws `it`."""
    environment = views.environment
    templates = {"one.html": "<p>[{{ it }}]</p>"}
    loaders = views.jinja2
    monkeypatch.setattr(
        environment,
        "loader",
        loaders.ChoiceLoader([environment.loader, loaders.DictLoader(templates)]),
    )
    return "one.html"


@pytest.mark.parametrize("service", NAMES)
@pytest.mark.parametrize(
    ("load", "seen"),
    [
        (live, "[a figure]"),
        (old, "updates are on their way. [an old figure]"),
        (in_making, "This is being got ready"),
        (nothing, "Nothing yet"),
        (broken, "cannot be read just now"),
        (hanging, "cannot be read just now"),
    ],
)
async def test_each_state_of_a_panel_is_drawn_and_the_rest_of_the_page_is_whole(
    alice, monkeypatch, template, service: str, load: Load, seen: str
) -> None:
    await buys()
    if load is hanging:
        monkeypatch.setattr(panels, "ISLAND_SECONDS", 1.5)
    island = Panel(service, "The island", template, load, is_nothing=lambda it: it == "")
    monkeypatch.setattr(home, "HOMES", (*home.HOMES, Home(service, (island,))))
    page = await alice.get("/")
    assert page.status_code == 200
    assert seen in text(page)
    assert "Points outstanding 49" in text(page)
    assert "Some figures cannot be shown" not in text(page), "it is that island's trouble alone"


async def test_an_open_circuit_of_one_service_leaves_the_panels_of_the_others(
    alice, monkeypatch, template
) -> None:
    async def load(visit: Visit) -> Reading[str]:
        async def figure() -> str:
            return "a figure of core"

        return await panels.read(visit, "core", "test", figure, str)

    await buys()
    monkeypatch.setattr(
        home, "HOMES", (*home.HOMES, Home("core", (Panel("core", "Core's", template, load),)))
    )
    assert "[a figure of core]" in text(await alice.get("/"))
    open_circuit(panels.RESOURCES["points"])
    page = text(await alice.get("/"))
    assert "[a figure of core]" in page
    assert "Your program as of" in page
    assert "Points outstanding 49" in page
    assert "What needs you cannot be read just now" in page, "points could not say"


async def test_what_a_service_cannot_say_of_what_needs_the_merchant_hides_nothing_of_the_others(
    alice, monkeypatch
) -> None:
    async def attention(_visit: Visit) -> list[panels.Attention]:
        raise ConnectionResetError

    async def other(_visit: Visit) -> list[panels.Attention]:
        return [panels.Attention("warning", "Something of core", "Look at it.", "Health")]

    monkeypatch.setattr(
        home,
        "HOMES",
        (Home("points", attention=attention), Home("core", attention=other)),
    )
    page = text(await alice.get("/"))
    assert "What needs you cannot be read just now" in page
    assert "Something of core" in page
