"""A shop at the stand-in Shopify, reached as the real one is, and what was taken in of it here."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from app import config as settings
from app import db
from app.core import reads
from app.core.models import Shop
from app.core.reconciliation import actions, planning
from app.flow.lanes import ingest
from app.shopify import payloads, tokens
from devstore.shop import things
from tests.devstore.conftest import SHOP, Store
from tests.flow.helpers import written

NEVER = asyncio.Event()


async def opened(store: Store, config: settings.Config, shop: str = SHOP, days: float = 3) -> None:
    """The app is in the shop since some days, with a token that lasts."""
    schemas = store.http._transport.app.state.schemas  # type: ignore[attr-defined]
    await asyncio.to_thread(schemas.get, config.api_version)  # half a second of the processor
    token = f"shpat_{shop}"
    state = store.world.state
    state.shop(shop)
    state.put("access_token", token, things.AccessToken(token, shop, None))
    await Shop.create(
        domain=shop,
        name=state.shop(shop).name,
        currency="USD",
        timezone="America/New_York",
        token_version=1,
        access_token=tokens.encrypt(config, token),
    )
    since = datetime.now(UTC) - timedelta(days=days)
    await Shop.filter(domain=shop).update(installed_at=since)


async def loses(store: Store, *topics: str) -> None:
    """Webhooks of these topics never arrive from now on."""
    await store.control("POST", "webhooks", {"lose": list(topics)})


async def is_noted(minutes: float = 60, kind: str = "lost") -> int:
    """A loss of the last minutes is noted."""
    now = datetime.now(UTC)
    return int(
        await value(
            "INSERT INTO redis_losses (kind, lost_from, noticed_at) VALUES ($1, $2, $3) "
            "RETURNING id",
            kind,
            now - timedelta(minutes=minutes),
            now,
        )
    )


async def look(stores: db.Stores, store: Store, times: int = 1) -> None:
    """Plan, and look at all that is booked, as often as said."""
    for _ in range(times):
        await planning.plan(stores)
        await execute("UPDATE reconciliations SET next_at = now() WHERE done_at IS NULL")
        await actions.look_at_due(stores, store.http, NEVER)
        await drain(stores)


async def drain(stores: db.Stores) -> None:
    while await ingest.drain_once(stores, payloads.translate, reads.known_shops):
        pass


async def told(topic: str = "") -> list[dict[str, Any]]:
    """The data of all facts of a topic."""
    return [msgspec.json.decode(one.data) for one in await written(topic)]


async def booked(shop: str = SHOP, name: str = "loss") -> list[dict[str, Any]]:
    async with db.connection() as connection:
        rows = await connection.fetch(
            "SELECT * FROM reconciliations WHERE shop = $1 AND name LIKE $2 || '%' ORDER BY id",
            shop,
            name,
        )
    return [dict(row) for row in rows]


async def value(query: str, *arguments: Any) -> Any:
    async with db.connection() as connection:
        return await connection.fetchval(query, *arguments)


async def execute(query: str, *arguments: Any) -> None:
    async with db.connection() as connection:
        await connection.execute(query, *arguments)
