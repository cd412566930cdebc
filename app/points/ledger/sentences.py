"""Why these points: one plain sentence for every row of the ledger, made from what the row
itself recorded.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from app import money
from app.points.ledger import bonus_sentences, given

_ROUNDED = {"down": "rounded down", "nearest": "rounded to the nearest", "up": "rounded up"}
_MADE = {"gift_card": "gift card", "store_credit": "store credit"}
_LONG = ("not_counted", "campaigns_as_of")  # what a brief one leaves out
_POLICY = {
    "pending_only": "the programme takes back only points on hold-back",
    "within_balance": "the programme takes back no more than is there",
}


def sentence(
    effect: str,
    points: int,
    why: str,
    campaigns: Mapping[int, str] | None = None,
    *,
    is_brief: bool = False,
) -> str:
    """A sentence for people, in English; `why` is the row's JSON. Text of merchants in it is
    not escaped. A brief one says nothing of campaigns that did not count or were away; `campaigns`
    has the names of those, by the copies of ours that `bonus_sentences.copies` finds.
    """
    reasons: dict[str, Any] = msgspec.json.decode(why)
    reasons = bonus_sentences.named(reasons, campaigns or {})
    if is_brief:
        reasons = {key: one for key, one in reasons.items() if not key.startswith(_LONG)}
    writer = _WRITERS.get(effect.split(".", 1)[0])
    try:
        text = writer(effect, points, reasons) if writer else effect
    except KeyError:
        return effect  # written by another version, which recorded something else
    if reasons.get("corrected"):
        text += f" This corrects what was counted before: {reasons['corrected']}"
    return text


def _earn(_effect: str, points: int, why: dict[str, Any]) -> str:
    if "way" in why:
        return given.earned(_points(points), why) + bonus_sentences.away(why)
    rate = f"{why['rate']} {'point' if why['rate'] == '1' else 'points'} a unit"
    rule = f"{_ROUNDED[why['rounding']]} (rule {why['rule']})"
    base = money.text(Decimal(why["base"]), why["currency"])
    if why.get("added"):
        pieces = _pieces(why["added"])
        are = "was" if _is_one(why["added"]) else "were"
        text = f"{pieces} {are} added and paid: {_points(points)}. Order {_order(why)} is now"
        text += f" {base} of merchandise at {rate}, {rule}."
    elif why.get("cause") == "campaign":
        text = (
            f"{_points(points)} more for order {_order(why)}: a campaign that counts for it was "
            f"only told after its points. It is {base} of merchandise at {rate}, {rule}."
        )
    elif "cause" in why:
        text = f"{_points(points)} more for order {_order(why)}, which is {base} of merchandise now"
        text += f", at {rate}, {rule}."
    else:
        text = (
            f"{_points(points)} for order {_order(why)}: {base} of merchandise at {rate}, {rule}."
        )
    text += bonus_sentences.counted(why)
    if why.get("attached"):
        text += " Its customer was added to it after it was paid."
    if "excluded_lines" in why:
        text += " Gift cards and tips earn nothing."
    elif "gift_card_lines" in why:
        text += " Gift cards earn nothing."
    if "pending_until" in why:
        text += f" On hold-back until {_day(why['pending_until'])}."
    return text + bonus_sentences.reasons(why)


def _release(_effect: str, points: int, why: dict[str, Any]) -> str:
    return f"The hold-back of {_from(why)} is over: {_points(points)} can be spent."


def _repay(_effect: str, points: int, why: dict[str, Any]) -> str:
    left = f"; {why['debt_left']:,} are still owed" if why.get("debt_left") else ""
    return f"{_points(points)} went to what was owed after an earlier refund{left}."


def _reverse(effect: str, points: int, why: dict[str, Any]) -> str:
    if "way" in why:
        return given.taken_back(_points(points), why)
    if effect == "reverse.returned":
        return (
            f"{_points(points)} came back from the reward “{why['reward']}”, but order "
            f"{_order(why)}, which gave them, was refunded meanwhile: they are taken back."
        )
    share = "all" if why["asked"] == why["award"] else f"{why['asked']:,}"
    verb = "are" if share != "1" else "is"
    text = f"{_cause(why)}: {share} of the {_points(why['award'])} it earned {verb} taken back"
    where = {
        "reverse.pending": ", these while still on hold-back",
        "reverse.debt": "; these were no longer there and are owed",
    }.get(effect, "")
    if points != why["asked"] and not where:
        where = f", {points:,} of them from the balance"
    text += f"{where}.{bonus_sentences.taken(why)}"
    if why.get("lapsed"):
        text += f" {why['lapsed']:,} had expired already."
    if why["forgiven"]:
        text += f" {why['forgiven']:,} are forgiven: {_POLICY.get(why['policy'], '')}."
    return text


def _cause(why: dict[str, Any]) -> str:
    """What took points back; rows of earlier releases say only whether it was a cancellation."""
    order, cause = _order(why), why.get("cause", "cancel" if why.get("cancelled") else "refund")
    if cause == "cancel":
        return f"Order {order} was cancelled"
    if cause == "delete":
        return f"Order {order} was deleted"
    if cause == "moved":
        return f"Order {order} now has another customer"
    pieces = _pieces(why.get("removed") or ())
    if cause == "refund":
        is_named = any(title for _, title in why.get("removed") or ())
        return f"A refund of order {order}" + (f" ({pieces})" if is_named else "")
    if pieces:
        are = "was" if _is_one(why["removed"]) else "were"
        return f"{pieces} {are} taken out of order {order}"
    return f"Order {order} changed"


def _merge(effect: str, points: int, why: dict[str, Any]) -> str:
    bucket = effect.rpartition(".")[2]
    what = (
        _points(points) if bucket in {"available", "pending"} else f"{_points(points)} ({bucket})"
    )
    if effect.startswith("merge.out"):
        return f"{what} went to customer {why['kept_id']}, with whom this one was merged."
    return f"{what} came from customer {why['customer_id']}, who was merged with this one."


def _hold(_effect: str, points: int, why: dict[str, Any]) -> str:
    what = _MADE.get(why.get("kind", ""), "code")
    return f"{_points(points)} set aside for the reward “{why['reward']}” while its {what} is made."


def _capture(_effect: str, points: int, why: dict[str, Any]) -> str:
    what = _MADE.get(why.get("kind", ""), "discount code")
    return f"{_points(points)} spent on the reward “{why['reward']}”; its {what} exists."


def _return(_effect: str, points: int, why: dict[str, Any]) -> str:
    return (
        f"{_points(points)} given back, as the reward “{why['reward']}” could not be made: "
        f"{why['reason']}"
    )


def _cancel(_effect: str, points: int, why: dict[str, Any]) -> str:
    return (
        f"{_points(points)} given back, as the code of the reward “{why['reward']}” was switched "
        f"off before it was used. {why['reason']}"
    )


def _unused(_effect: str, points: int, why: dict[str, Any]) -> str:
    return (
        f"{_points(points)} given back: the code of the reward “{why['reward']}” was not used by "
        "its end."
    )


def _comeback(_effect: str, points: int, why: dict[str, Any]) -> str:
    ended = {"cancel": "was cancelled", "delete": "was deleted"}.get(why["cause"], "came back")
    return (
        f"{_points(points)} given back: order {_order(why)}, for which the reward "
        f"“{why['reward']}” was used, {ended}."
    )


def _expire(_effect: str, points: int, why: dict[str, Any]) -> str:
    return f"{_points(points)} from {_from(why)} were not spent by {_day(why['expires_at'])}."


def _adjust(_effect: str, points: int, why: dict[str, Any]) -> str:
    verb = "Given" if why["points"] > 0 else "Taken"
    return f"{verb} by {why.get('name') or 'staff'}, {_points(points)}: {why['reason']}"


def _points(points: int) -> str:
    return "1 point" if points == 1 else f"{points:,} points"


def _pieces(named: Sequence[Sequence[Any]]) -> str:
    """ "2 pieces of Mug and 1 piece of Cup"; lines without a name are counted together."""
    unnamed = sum(count for count, title in named if not title)
    parts = [f"{_count(count)} of {title}" for count, title in named if title]
    if unnamed:
        parts.append(_count(unnamed))
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _count(pieces: int) -> str:
    return "1 piece" if pieces == 1 else f"{pieces:,} pieces"


def _is_one(named: Sequence[Sequence[Any]]) -> bool:
    return sum(int(count) for count, _ in named) == 1


def _order(why: dict[str, Any]) -> str:
    return str(why["order_name"] or why["order_id"])


def _from(why: dict[str, Any]) -> str:
    kind, _, name = str(why["lot"]).partition(":")
    order = why.get("order_name") or name.partition(":")[0]
    if kind in given.WAYS:
        return given.of_lot(str(why["lot"]), str(why.get("order_name") or ""))
    return f"order {order}" if kind == "order" else "an adjustment"


def _day(moment: str) -> str:
    at = datetime.fromisoformat(moment)
    return f"{at.day} {at:%B %Y}"


_WRITERS: dict[str, Callable[[str, int, dict[str, Any]], str]] = {
    "earn": _earn,
    "release": _release,
    "repay": _repay,
    "reverse": _reverse,
    "hold": _hold,
    "capture": _capture,
    "return": _return,
    "cancel": _cancel,
    "unused": _unused,
    "comeback": _comeback,
    "expire": _expire,
    "adjust": _adjust,
    "merge": _merge,
}
