"""What a shop sells, as far as rules name it: which products and collections there are."""

from collections.abc import Sequence

import httpx
import msgspec

from app import text
from app.core import admin_api
from app.db import Stores
from app.errors import HoldfastError
from app.resilience import cache
from app.resilience.guard import Resource
from app.telemetry import logs

KINDS = {"products": "Product", "collections": "Collection"}
TITLE_LENGTH_MAX = 255
FRESH_SECONDS = 60.0  # a form that is being filled in asks again and again
DEADLINE_SECONDS = 1.5  # somebody waits for a page
CATALOG = Resource("catalog", DEADLINE_SECONDS, by_shop=True)
log = logs.logger()


async def titles(
    stores: Stores, client: httpx.AsyncClient, shop: str, kind: str, ids: Sequence[str]
) -> dict[str, str] | None:
    """What those of these products or collections (their numbers) that are there are called; None
    while Shopify cannot say.
    """
    wanted = sorted({one for one in ids if one.isascii() and one.isdigit()})
    if not wanted:
        return {}
    gids = [f"gid://shopify/{KINDS[kind]}/{one}" for one in wanted]

    async def load() -> dict[str, str]:
        data = await admin_api.call(client, stores.config, shop, "titles", {"ids": gids})
        return {
            str(one["id"]).rpartition("/")[2]: text.clean(str(one["title"]), TITLE_LENGTH_MAX)
            for one in data["nodes"]
            if one and "title" in one
        }

    try:
        found = await cache.read_through(
            stores.cache,
            f"cache:titles:{{{shop}}}:{kind}:{','.join(wanted)}",
            load,
            CATALOG,
            decode=lambda raw: msgspec.json.decode(raw, type=dict[str, str]),
            fresh_seconds=FRESH_SECONDS,
        )
    except HoldfastError as error:  # for good, such as a permission that is missing
        log.info("titles not read", shop=shop, reason=error.code)
        return None
    return found.value if found.is_live else None
