"""Whether Shopify answers, asked when a page wants to say so: nobody else would know while nothing
is being asked of it.
"""

import asyncio
import time
from http import HTTPStatus

import httpx

from app.config import Config
from app.telemetry import logs

LOOK_SECONDS = 1.0
REMEMBERED_SECONDS = 1.5  # however many pages are open, Shopify is asked this seldom
log = logs.logger()


async def is_shopify_reached(client: httpx.AsyncClient, config: Config, shop: str) -> bool:
    """Whether Shopify's Admin API answers within a second; any answer but a failure of its own
    counts, and none needs a token.
    """
    global _last  # noqa: PLW0603 - one Shopify a process
    async with _asking:
        if _last is None or time.monotonic() - _last[0] > REMEMBERED_SECONDS:
            _last = (time.monotonic(), await _answers(client, config, shop))
        return _last[1]


def forget() -> None:
    """Drop what this process remembers (for tests)."""
    global _last  # noqa: PLW0603
    _last = None


_last: tuple[float, bool] | None = None
_asking = asyncio.Lock()


async def _answers(client: httpx.AsyncClient, config: Config, shop: str) -> bool:
    url = f"{config.shopify_url.format(shop=shop)}/admin/api/{config.api_version}/graphql.json"
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            answer = await client.post(url, content=b"{}")
    except (httpx.HTTPError, TimeoutError) as error:
        log.info("shopify is not reached", reason=type(error).__name__)
        return False
    return answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
