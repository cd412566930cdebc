"""What pages and workers may ask about shops."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from app import db
from app.core.models import Shop


@dataclass(frozen=True, slots=True)
class ShopInfo:
    """A shop as pages show it; `status` is active, needs_reopen or uninstalled."""

    domain: str
    name: str
    currency: str
    timezone: str
    status: str
    plan: str
    installed_at: datetime
    uninstalled_at: datetime | None


async def shop(domain: str) -> ShopInfo | None:
    """The shop of this `name.myshopify.com` domain, or None when it never installed the app."""
    row = await Shop.get_or_none(domain=domain)
    if row is None:
        return None
    return ShopInfo(
        row.domain,
        row.name,
        row.currency,
        row.timezone,
        row.status,
        row.plan,
        row.installed_at,
        row.uninstalled_at,
    )


async def known_shops(shops: Iterable[str]) -> set[str]:
    """Those of `shops` that ever installed the app, uninstalled ones too: their last webhooks
    come afterwards.
    """
    async with db.connection() as connection:
        rows = await connection.fetch(
            "SELECT domain FROM shops WHERE domain = ANY($1::text[])", list(shops)
        )
    return {row["domain"] for row in rows}
