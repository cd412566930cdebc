"""A gift card with a code of ours; its note proves that it is ours."""

from decimal import Decimal
from typing import Any

from app.points.rewards.kinds.parts import Ask, Found, Lease, SpentError, Wish, check, money

SETTLES_SECONDS = 0.0  # a second one with the same code is refused


def send(lease: Lease) -> Wish:
    """A card of the amount, for whoever has its code."""
    wanted: dict[str, Any] = {"initialAmount": money(lease), "code": lease.code, "note": lease.name}
    if lease.ends_at is not None:
        wanted["expiresOn"] = lease.ends_at.date().isoformat()
    return Wish("gift_card_create", {"input": wanted}, "giftCardCreate", "giftCard")


async def find(ask: Ask, lease: Lease) -> Found | None:
    """The card with this redemption in its note, among those a search for the code finds."""
    data = await ask("gift_cards_by_code", {"query": lease.code})
    for card in data["giftCards"]["nodes"]:
        if str(lease.id) in (card.get("note") or ""):
            left, whole = (Decimal(card[name]["amount"]) for name in ("balance", "initialValue"))
            return Found(
                card["id"], is_ours=True, is_active=card["enabled"], uses=int(left < whole)
            )
    return None


async def take_back(ask: Ask, _lease: Lease, found: Found) -> str:
    """Switch the card off, with all that is left on it. Raises SpentError when some is gone."""
    if found.uses:
        raise SpentError
    data = await ask("gift_card_deactivate", {"id": found.gid})
    check(data["giftCardDeactivate"], "switch the gift card off")
    return ""
