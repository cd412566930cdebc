"""The services' parts of what a shopper sees are islands: one that fails or hangs leaves the
others' fields as they are.
"""

import asyncio
from typing import Any

import pytest

from app.db import Stores
from app.errors import UnavailableError
from app.storefront import routes
from app.web import shopper
from app.web.api import Caller
from app.web.shopper import Part
from tests.storefront.callers import FIELDS, earn, proxied

UNKNOWN = {"tier": "unknown", "notices": ["Tiers are on their way."]}


async def told(_stores: Stores, _caller: Caller) -> dict[str, Any]:
    return {"tier": "gold", "notices": ["You are gold."]}


async def broken(_stores: Stores, _caller: Caller) -> dict[str, Any]:
    raise ZeroDivisionError


async def away(_stores: Stores, _caller: Caller) -> dict[str, Any]:
    raise UnavailableError("Tiers are away.")


async def hanging(_stores: Stores, _caller: Caller) -> dict[str, Any]:
    await asyncio.sleep(60)
    raise AssertionError("unreachable")


@pytest.mark.parametrize(
    ("me", "tier", "notices"),
    [
        (told, "gold", ["You are gold."]),
        (broken, "unknown", UNKNOWN["notices"]),
        (away, "unknown", UNKNOWN["notices"]),
        (hanging, "unknown", UNKNOWN["notices"]),
    ],
)
async def test_one_part_that_cannot_tell_leaves_the_others_as_they_are(
    http, rewards, monkeypatch, me, tier: str, notices: list[str]
) -> None:
    await earn("120.00")
    before = (await http.get(proxied("/storefront/me"))).json()
    monkeypatch.setattr(shopper, "PART_SECONDS", 0.5)
    monkeypatch.setattr(routes, "PARTS", (*routes.PARTS, Part("core", me, UNKNOWN)))
    seen = (await http.get(proxied("/storefront/me"))).json()
    assert list(seen) == FIELDS
    assert seen["points"]["available"] == before["points"]["available"] == 120
    assert (seen["tier"], seen["notices"]) == (tier, notices)
    assert seen["rewards"] == before["rewards"]


async def test_without_any_part_the_body_still_has_its_shape(http, monkeypatch) -> None:
    monkeypatch.setattr(routes, "PARTS", ())
    assert list((await http.get(proxied("/storefront/me"))).json()) == FIELDS
