"""What stands at Shopify that says it is ours: discount codes and gift cards made since a moment,
for whoever has to find those of which nothing is known here.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import httpx

from app.core import admin_api
from app.db import Stores
from app.errors import HoldfastError, UnavailableError
from app.shopify.graphql import ThrottledError

PAGES_MAX = 400  # of 25 each: a larger one costs a shop most of its budget
THROTTLED_MAX, THROTTLED_SECONDS = 30, 3.0  # nobody waits for this as for a page
MARK = "(Holdfast "  # in the title of a discount, or the note of a card, of ours


class Made(NamedTuple):
    """A discount code or a gift card; `name` is its title or note, `code` empty for a card."""

    gid: str
    name: str
    code: str
    is_active: bool
    is_used: bool


async def since(
    stores: Stores, client: httpx.AsyncClient, shop: str, moment: datetime
) -> list[Made]:
    """All of ours that were made in the shop since that moment. Raises as `admin_api.call`, and
    UnavailableError for more than can be looked through.
    """
    at = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    query = f"created_at:>='{at}'"
    found = []
    async for one in _all(stores, client, shop, ("discounts_since", "discountNodes"), query):
        said = one.get("discount") or {}
        codes = (said.get("codes") or {}).get("nodes") or [{}]
        # an automatic discount has no code, and is none of ours
        gid = f"gid://shopify/DiscountCodeNode/{str(one['id']).rpartition('/')[2]}"
        is_active, is_used = said.get("status") != "EXPIRED", bool(said.get("asyncUsageCount"))
        name, code = str(said.get("title") or ""), str(codes[0].get("code") or "")
        found.append(Made(gid, name, code, is_active, is_used))
    async for one in _all(stores, client, shop, ("gift_cards_since", "giftCards"), query):
        left, whole = (Decimal(one[name]["amount"]) for name in ("balance", "initialValue"))
        found.append(Made(one["id"], str(one["note"] or ""), "", one["enabled"], left < whole))
    return [one for one in found if MARK in one.name]


async def switch_off(stores: Stores, client: httpx.AsyncClient, shop: str, one: Made) -> None:
    """Make it worthless. Raises as `admin_api.call`, and HoldfastError when Shopify does not."""
    is_card = "/GiftCard/" in one.gid
    document = "gift_card_deactivate" if is_card else "discount_deactivate"
    data = await admin_api.call(client, stores.config, shop, document, {"id": one.gid})
    if errors := data["giftCardDeactivate" if is_card else "discountCodeDeactivate"]["userErrors"]:
        raise HoldfastError(f"Shopify did not switch it off: {errors[0].get('message', '')}")


async def _patiently(
    stores: Stores, client: httpx.AsyncClient, shop: str, document: str, variables: dict[str, Any]
) -> dict[str, Any]:
    """Call when the shop's budget has room for it: shoppers go first."""
    for _ in range(THROTTLED_MAX):
        with suppress(ThrottledError):
            return await admin_api.call(client, stores.config, shop, document, variables)
        await asyncio.sleep(THROTTLED_SECONDS)
    return await admin_api.call(client, stores.config, shop, document, variables)


async def _all(
    stores: Stores, client: httpx.AsyncClient, shop: str, asked: tuple[str, str], query: str
) -> AsyncIterator[dict[str, Any]]:
    document, field = asked
    after = None
    for _ in range(PAGES_MAX):
        variables = {"query": query, "after": after}
        page = (await _patiently(stores, client, shop, document, variables))[field]
        for one in page["nodes"]:
            yield one
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]
    raise UnavailableError("Too much was made since then to be looked through.")
