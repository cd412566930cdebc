"""Why these points, where they are no order's: sentences about ways to earn and referrals."""

from datetime import datetime
from typing import Any

WAYS = ("way", "referral")  # what sources of such lots begin with
_FOR = {
    "account": "for creating an account",
    "newsletter": "for subscribing to the e-mails of the shop",
    "birthday": "for the birthday in {period}",
    "follow": "for “{title}”, as the customer says",
    "action": "for “{title}”",
    "referral": "for a friend whose order {order} counts",
}
_SAID = {
    "account": "Points for an account",
    "newsletter": "Points for subscribing to e-mails",
    "birthday": "Points for a birthday",
    "follow": "Points for following",
    "action": "Points for an action",
    "referral": "Points for a friend",
}
_TOLD_BY = {"server": "told by the shop's server", "flow": "told by Shopify Flow"}
# what the shopper is told of the same
_OWN = {
    "account": "{points} for creating your account.",
    "newsletter": "{points} for subscribing to our e-mails.",
    "birthday": "{points} for your birthday.",
    "follow": "{points} for “{title}”.",
    "action": "{points} for “{title}”.",
    "referral": "{points} for a friend you brought.",
}


def earned(points: str, why: dict[str, Any]) -> str:
    """A sentence about points given, said with them ("5 points"); raises KeyError for what another
    version recorded.
    """
    kind = why["way"]
    named = {**why, "order": why.get("order_name") or why.get("order_id", "")}
    is_known = kind in _FOR
    text = f"{points} {_FOR[kind].format(**named)}" if is_known else f"{points}: {why['reason']}"
    if why.get("told_by") in _TOLD_BY:
        text += f", {_TOLD_BY[why['told_by']]}"
    for name, part in why.get("bonuses") or ():
        text += f", {part:,} of them from the campaign “{name}”"
    if why.get("version"):
        text += f" (version {why['version']})"
    if "pending_until" in why:
        text += f". On hold-back until {_day(why['pending_until'])}"
    return f"{text}."


def taken_back(points: str, why: dict[str, Any]) -> str:
    """The same about points that were taken back."""
    text = f"{points} taken back. {_SAID.get(why['way'], 'Points')} did not stand"
    text += f": {why['reason']}" if why.get("reason") else "."
    if not text.endswith("."):
        text += "."
    if why.get("lapsed"):
        text += f" {why['lapsed']:,} had expired already."
    if why.get("forgiven"):
        text += f" {why['forgiven']:,} are forgiven by the programme's rule."
    return text


def of_lot(source: str, title: str) -> str:
    """What to call where a lot came from, in the middle of a sentence."""
    if title:
        return f"“{title}”"
    kind = source.split(":")[1] if source.startswith("way:") else source.partition(":")[0]
    return _SAID.get(kind.partition("-")[0], "points of the shop").lower()


def own(kind: str, points: str, why: dict[str, Any]) -> str:
    """What the shopper is told; empty for a way this release does not know."""
    text = _OWN.get(kind, "")
    return text.format(points=points, title=why.get("title") or "") if text else ""


def _day(moment: str) -> str:
    at = datetime.fromisoformat(moment)
    return f"{at.day} {at:%B %Y}"
