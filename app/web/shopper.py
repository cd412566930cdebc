"""The services' parts of what a shopper sees: each fills in its own fields of one body, and one
that fails takes no other with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from starlette.requests import Request

from app.db import Stores
from app.resilience.guard import is_callers_fault
from app.telemetry import logs
from app.web.api import Caller, Handler

PART_SECONDS = 2.0  # each read of a part has its own, shorter one
log = logs.logger()


class ShopperPage(NamedTuple):
    """A page in the storefront: its handlers return HTML, `refused` draws a sentence instead."""

    path: str
    name: str
    handlers: Mapping[str, Handler]
    refused: Callable[[Request, str], str]


@dataclass(frozen=True, slots=True)
class Part:
    """What one service tells shoppers.

    `me` gives its fields of the body, the same ones whenever it can; `unknown` are those for when
    it cannot. Its `notices` are added to the others'. `addresses` are (name, {method: handler}),
    `pages` are such of whole pages in the storefront.
    """

    service: str
    me: Callable[[Stores, Caller], Awaitable[dict[str, Any]]]
    unknown: Mapping[str, Any]
    addresses: Sequence[tuple[str, Mapping[str, Handler]]] = field(default=())
    pages: Sequence[ShopperPage] = field(default=())


async def fill(
    body: dict[str, Any], parts: Sequence[Part], stores: Stores, caller: Caller
) -> dict[str, Any]:
    """`body` with the fields of all parts, in the order it has."""
    notices: list[str] = []
    for told in await asyncio.gather(*(_told(part, stores, caller) for part in parts)):
        notices += told.pop("notices", [])
        body.update(told)
    body["notices"] = notices
    return body


async def _told(part: Part, stores: Stores, caller: Caller) -> dict[str, Any]:
    try:
        async with asyncio.timeout(PART_SECONDS):
            return await part.me(stores, caller)
    except Exception as error:
        if is_callers_fault(error):
            raise
        log.exception("a part is missing", service=part.service)
        return dict(part.unknown)
