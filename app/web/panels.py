"""Panels: the services' islands on a page, each loaded under its service's own circuit and
deadline, so that one that fails or hangs takes no other with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from app import rooms
from app.resilience import failures, reading
from app.resilience.guard import Resource
from app.resilience.reading import Reading
from app.services import PROCESSES, SERVICES
from app.telemetry import logs
from app.web import pages
from app.web.pages import Visit

T = TypeVar("T")
ISLAND_SECONDS = 2.0  # all a panel does, a first look's preparations too; its reads have 0.3 s each
RESOURCES = {
    one.name: Resource(f"{one.name} panels", room=rooms.ADMIN, by_shop=True) for one in SERVICES
}
# what the services show on a customer's page beside their points; main names them
beside_customer: "list[Panel]" = []
State = Literal["live", "as of", "getting ready", "not available", "nothing yet"]
log = logs.logger()


@dataclass(frozen=True, slots=True)
class Panel:
    """What one service shows on a page put together from several.

    `load` reads for the visiting shop (see `read`), None for what is being got ready. `template`
    draws the value as `it`; `first_template` stands in its place where that `is_nothing` yet, and
    the sentence `away` when it cannot be read.
    """

    service: str
    title: str
    template: str
    load: Callable[[Visit], Awaitable[Reading[Any]]]
    is_nothing: Callable[[Any], bool] = lambda _: False
    first_template: str = "panels/nothing_yet.html"
    away: str = ""


@dataclass(frozen=True, slots=True)
class Attention:
    """Something for the merchant to look at, on the health page or at another `path`; `action` is
    what the button says.
    """

    tone: str  # critical | warning
    title: str
    text: str
    action: str
    path: str = "/health"


@dataclass(frozen=True, slots=True)
class Home:
    """A service's part of the home page; `attention` raises when it cannot be read."""

    service: str
    panels: Sequence[Panel] = ()
    attention: Callable[[Visit], Awaitable[list[Attention]]] | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """A panel as the page shows it."""

    service: str
    service_title: str
    title: str
    template: str
    state: State
    it: Any = None  # what `load` read
    reading: Reading[Any] = field(default_factory=reading.unavailable)
    away: str = ""


async def draw(visit: Visit, panels: Sequence[Panel]) -> list[Drawn]:
    """All panels, loaded side by side, in their order."""
    return list(await asyncio.gather(*(_draw(visit, panel) for panel in panels)))


async def read(
    visit: Visit,
    service: str,
    name: str,
    load: Callable[[], Awaitable[T]],
    kind: Any,
    *,
    may_be_old: bool = False,
) -> Reading[T]:
    """What `load` reads for a panel of `service`, under its circuit and the page deadline; on bad
    days the last one of this shop. `kind` is its type, `name` tells it from the service's others.
    """
    key = f"{service}:{name}:{visit.shop}"
    return await pages.read(
        visit.stores, key, load, kind, RESOURCES[service], may_be_old=may_be_old
    )


def shared_trouble(drawn: Sequence[Drawn]) -> list[Reading[Any]]:
    """What the page itself says about its panels: only what is true of all of them. Else each one
    that is behind says so where it stands.
    """
    readings = [one.reading for one in drawn]
    return [] if any(one.is_live for one in readings) else readings


async def attention(visit: Visit, homes: Sequence[Home]) -> list[list[Attention] | None]:
    """What needs the merchant, by service; None for what could not be read."""

    async def ask(home: Home) -> list[Attention] | None:
        if home.attention is None:
            return []
        told = home.attention
        return await pages.attempt(lambda: told(visit), RESOURCES[home.service])

    return list(await asyncio.gather(*(ask(home) for home in homes)))


async def _draw(visit: Visit, panel: Panel) -> Drawn:
    try:
        async with asyncio.timeout(ISLAND_SECONDS):
            found = await panel.load(visit)
    except Exception as error:  # noqa: BLE001 - an island: whatever it is, the page goes on
        log.warning("a panel is missing", service=panel.service, reason=failures.reason(error))
        found = reading.unavailable()
    state = _state(panel, found)
    return Drawn(
        panel.service,
        PROCESSES[panel.service].title,
        panel.title,
        panel.first_template if state == "nothing yet" else panel.template,
        state,
        found.value,
        found,
        panel.away,
    )


def _state(panel: Panel, found: Reading[Any]) -> State:
    if found.source == "unavailable":
        return "not available"
    if found.value is None:
        return "getting ready"
    if panel.is_nothing(found.value):
        return "nothing yet"
    return "live" if found.is_live else "as of"
