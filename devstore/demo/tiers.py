"""The demo shop's tiers: made by its merchant in the app's own forms."""

import logging

import httpx

from devstore import signing
from devstore.shop import things
from devstore.world import World

TIERS = {
    "version": "0",
    "measure": "points",
    "period": "rolling",
    "days": "365",
    "policy": "cycle",
    "grace_days": "0",
    "name-bronze": "Bronze",
    "threshold-bronze": "0",
    "factor-bronze": "1",
    "name-silver": "Silver",
    "threshold-silver": "150",
    "factor-silver": "1.25",
    "name-gold": "Gold",
    "threshold-gold": "500",
    "factor-gold": "1.5",
}
# in this order, each a version of its own
PERKS = (
    ("bronze", {"icon": "🥉", "perks": "Points for every order"}),
    ("silver", {"icon": "🥈", "perks": "Early access to new teas\nFree gift wrapping"}),
    ("gold", {"icon": "🥇", "perks": "Early access to new teas\nA tasting box every spring"}),
)

log = logging.getLogger("devstore.demo")


async def arrange(world: World, shop: things.Shop) -> None:
    """Three tiers and what they give; once a shop."""
    is_made = await _send(world, shop, "/tiers", TIERS)
    for version, (tier, perks) in enumerate(PERKS, 1):
        fields = {**perks, "version": str(version)}
        is_made = is_made and await _send(world, shop, f"/tiers/{tier}/perks", fields)
    if is_made:
        shop.has_tiers = True
        world.state.put("shop", shop.domain, shop)


async def _send(world: World, shop: things.Shop, path: str, fields: dict[str, str]) -> bool:
    token = signing.id_token(world.settings, shop.domain)
    try:
        answer = await world.client.post(
            f"{world.settings.app_url}{path}",
            data=fields,
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )
    except httpx.HTTPError as error:
        log.warning("Tiers of the demo shop were not made: %s.", type(error).__name__)
        return False
    if not answer.is_success:
        log.warning("Tiers of the demo shop were refused: %s.", answer.status_code)
    return answer.is_success
