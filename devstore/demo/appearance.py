"""The merchant of the demo shop gives the widget the colours of the shop, with the form of the
app.
"""

import logging

import httpx

from devstore import signing
from devstore.shop import things
from devstore.world import World

LOOK = {
    "accent": "#1d5b4b",
    "text": "#1f2428",
    "background": "#ffffff",
    "icon": "gift",
    "launcher": "both",
    "corner": "end",
    "offset": "20",
    "radius": "12",
    "version": "0",
}

log = logging.getLogger("devstore.demo")


async def choose(world: World, shop: things.Shop) -> None:
    """Once: a look that is there already is not replaced."""
    token = signing.id_token(world.settings, shop.domain)
    try:
        answer = await world.client.post(
            f"{world.settings.app_url}/appearance/look",
            data=LOOK,
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )
    except httpx.HTTPError as error:
        log.warning("The demo shop has no look of its own: %s.", type(error).__name__)
        return
    if not answer.is_success:
        log.warning("The look of the demo shop was refused: %s.", answer.status_code)
