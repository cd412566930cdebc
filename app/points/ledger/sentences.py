"""Why these points: one plain sentence for every row of the ledger, made from what the row
itself recorded.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

_ROUNDED = {"down": "rounded down", "nearest": "rounded to the nearest", "up": "rounded up"}
_POLICY = {
    "pending_only": "the programme takes back only points on hold-back",
    "within_balance": "the programme takes back no more than is there",
}


def sentence(effect: str, points: int, why: str) -> str:
    """A sentence for people, in English; `why` is the row's JSON. Text of merchants in it is
    not escaped.
    """
    reasons: dict[str, Any] = msgspec.json.decode(why)
    writer = _WRITERS.get(effect.split(".", 1)[0])
    try:
        return writer(effect, points, reasons) if writer else effect
    except KeyError:
        return effect  # written by another version, which recorded something else


def _earn(_effect: str, points: int, why: dict[str, Any]) -> str:
    text = (
        f"{_points(points)} for order {_order(why)}: {why['base']} {why['currency']} of "
        f"merchandise at {why['rate']} {'point' if why['rate'] == '1' else 'points'} a unit, "
        f"{_ROUNDED[why['rounding']]} (rule {why['rule']})."
    )
    if "gift_card_lines" in why:
        text += " Gift cards earn nothing."
    if "pending_until" in why:
        text += f" On hold-back until {_day(why['pending_until'])}."
    return text


def _release(_effect: str, points: int, why: dict[str, Any]) -> str:
    return f"The hold-back of {_from(why)} is over: {_points(points)} can be spent."


def _repay(_effect: str, points: int, why: dict[str, Any]) -> str:
    left = f"; {why['debt_left']:,} are still owed" if why.get("debt_left") else ""
    return f"{_points(points)} went to what was owed after an earlier refund{left}."


def _reverse(effect: str, points: int, why: dict[str, Any]) -> str:
    cause = (
        f"Order {_order(why)} was cancelled"
        if why["cancelled"]
        else f"A refund of order {_order(why)}"
    )
    share = "all" if why["asked"] == why["award"] else f"{why['asked']:,}"
    verb = "are" if share != "1" else "is"
    text = f"{cause}: {share} of the {_points(why['award'])} it earned {verb} taken back"
    where = {
        "reverse.pending": ", these while still on hold-back",
        "reverse.debt": "; these were no longer there and are owed",
    }.get(effect, "")
    if points != why["asked"] and not where:
        where = f", {points:,} of them from the balance"
    forgiven = (
        f" {why['forgiven']:,} are forgiven: {_POLICY.get(why['policy'], '')}."
        if why["forgiven"]
        else ""
    )
    return f"{text}{where}.{forgiven}"


def _hold(_effect: str, points: int, why: dict[str, Any]) -> str:
    return f"{_points(points)} set aside for the reward “{why['reward']}” while its code is made."


def _capture(_effect: str, points: int, why: dict[str, Any]) -> str:
    return f"{_points(points)} spent on the reward “{why['reward']}”; its discount code exists."


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


def _expire(_effect: str, points: int, why: dict[str, Any]) -> str:
    return f"{_points(points)} from {_from(why)} were not spent by {_day(why['expires_at'])}."


def _adjust(_effect: str, points: int, why: dict[str, Any]) -> str:
    verb = "Given" if why["points"] > 0 else "Taken"
    return f"{verb} by {why.get('name') or 'staff'}, {_points(points)}: {why['reason']}"


def _points(points: int) -> str:
    return "1 point" if points == 1 else f"{points:,} points"


def _order(why: dict[str, Any]) -> str:
    return str(why["order_name"] or why["order_id"])


def _from(why: dict[str, Any]) -> str:
    kind, _, name = str(why["lot"]).partition(":")
    return f"order {why.get('order_name') or name}" if kind == "order" else "an adjustment"


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
    "expire": _expire,
    "adjust": _adjust,
}
