"""What is known of an order, fact by fact: newer facts win, older ones add what was missing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zlib import crc32

import msgspec
from msgspec.structs import replace as _with

from app.facts import OrderLine, OrderTold
from app.points import facts
from app.points.earning import rules
from app.points.earning.rules import Known, Line
from app.points.facts import Cause, News, Refunded, Told
from app.telemetry.carriers import request_id_of

NOTHING = Known()
CODE_PREFIX = "HF-"  # of our discount codes: of others nothing is kept
MARKS_MAX = 8  # facts of one second that did not count
# of an order that never was paid so far nothing need be kept: before that only its end counts
UNPAID = frozenset({"pending", "authorized", "voided", "expired", ""})


class Stage(msgspec.Struct, frozen=True):
    """What is known of an order after a fact, and what that fact was."""

    known: Known
    cause: Cause
    lines: Sequence[OrderLine] = ()  # as they were told, with their titles
    refunds: Mapping[str, Refunded] = {}


def stages(known: Known, news: News) -> tuple[Known, list[Stage]]:
    """What comes to be known of an order, one stage a fact that may move points; what is said
    besides is known with the last of them.
    """
    known, found = _stages(known, news)
    if found and found[-1].known is not known:
        found[-1] = _with(found[-1], known=known)
    return known, found


def _stages(known: Known, news: News) -> tuple[Known, list[Stage]]:
    found: list[Stage] = []
    for told in sorted(news.told, key=_at) if len(news.told) > 1 else news.told:
        if known is NOTHING and told.order.financial_status in UNPAID:
            continue
        order, trace = told.order, told.event.trace
        refunds = {}
        if order.refunds:
            refunds = {
                one.refund_id: facts.refunded(one, told.since, trace) for one in order.refunds
            }
        after = with_order(known, told, refunds)
        if known is NOTHING or order.corrected or _moves(known, after):
            cause = Cause(f"order:{order.order_id}", told.since, trace, order.corrected)
            found.append(Stage(after, cause, order.lines, refunds))
        known = after
    for refund_id, one in news.refunds.items():
        if refund_id not in known.refunds or one.cause.corrected:
            known = _with(known, refunds={**known.refunds, refund_id: one.back})
            found.append(Stage(known, one.cause, (), {refund_id: one}))
    for edit_id, (removed, cause) in news.edits.items():
        if edit_id not in known.edits or cause.corrected:
            known = _with(known, edits={**known.edits, edit_id: removed})
            found.append(Stage(known, cause))
    if news.ended and not known.ended:
        known = _with(known, ended=news.ended.source.partition(":")[0])
        found.append(Stage(known, news.ended))
    return known, found


def with_order(known: Known, told: Told, refunds: Mapping[str, Refunded]) -> Known:
    """`known` with what an order says of itself; what it says replaces older words of it, its
    refunds are added to those known.
    """
    order = told.order
    lines = [
        Line(
            line.line_id,
            line.quantity,
            line.quantity if line.kept is None else min(line.kept, line.quantity),
            max(0, rules.micros(line.amount)),
            rules.micros(line.tax) if line.tax != "0" else 0,
            line.product_id,
            line.subscription,
        )
        for line in order.lines
        if not (line.gift_card or line.tip) and line.quantity > 0
    ]
    outstanding = rules.micros(order.outstanding) if order.outstanding != "0" else 0
    sent = (rules.micros(order.shipping), rules.micros(order.shipping_tax))
    paid_at = told.since if order.is_paid and not order.is_old else None
    if known is NOTHING and not refunds:
        return Known(
            told.at,
            order.processed_at,
            paid_at,
            order.customer_id or None,
            told.at if order.customer_id else None,
            lines,
            len(order.lines) - len(lines),
            max(0, outstanding),
            max(0, -outstanding),
            order.currency,
            order.test,
            shipping=sent[0],
            shipping_tax=sent[1],
            offs=_offs(order),
        )
    changed: dict[str, Any] = {}
    is_newest = known.at is None or told.at > known.at
    if told.at == known.at:
        is_newest, changed = _of_its_second(known, told, lines, outstanding)
    elif is_newest and (known.said_by or known.not_by):
        changed = {"said_by": 0, "not_by": []}
    if is_newest:
        changed |= {
            "at": told.at,
            "placed_at": order.processed_at or known.placed_at,
            "lines": lines,
            "excluded": len(order.lines) - len(lines),
            "outstanding": max(0, outstanding),
            "currency": order.currency,
            "is_test": order.test,
            "shipping": sent[0],
            "shipping_tax": sent[1],
            "offs": _offs(order),
        }
    if paid_at is not None and (known.paid_at is None or paid_at < known.paid_at):
        changed["paid_at"] = paid_at
    if order.customer_id and (
        known.customer_at is None
        or told.at > known.customer_at
        or (order.corrected and is_newest and told.at == known.customer_at)
    ):
        changed["customer_id"], changed["customer_at"] = order.customer_id, told.at
    if -outstanding > known.owed:
        changed["owed"] = -outstanding
    if refunds:
        fresh = {name: one.back for name, one in refunds.items()}
        both = known.refunds | fresh if is_newest else fresh | known.refunds
        if both != known.refunds:
            changed["refunds"] = both
    return _with(known, **changed) if changed else known


def _offs(order: OrderTold) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    if order.discount_codes:
        for line in order.lines:
            for code, off in line.off.items():
                if (name := code.upper()).startswith(CODE_PREFIX):
                    found.setdefault(name, {})[line.line_id] = max(0, rules.micros(off))
    return found


def _of_its_second(
    known: Known, told: Told, lines: list[Line], outstanding: int
) -> tuple[bool, dict[str, Any]]:
    """Whether an order counts that is told as of the very second of what is known, and what to
    remember of that. Shopify's clock tells seconds: what has happened more is later.
    """
    mark = crc32(request_id_of(told.event.trace).encode())
    if told.order.corrected:
        return (mark == known.said_by if known.said_by else mark not in known.not_by), {}
    if _progress(lines, outstanding) > _progress(known.lines, known.outstanding):
        return True, {"said_by": mark, "not_by": []}
    is_other = lines != known.lines or max(0, outstanding) != known.outstanding
    if not is_other or known.said_by or mark in known.not_by:
        return False, {}
    return False, {"not_by": [*known.not_by, mark][-MARKS_MAX:]}


def _progress(lines: Sequence[Line], outstanding: int) -> tuple[int, int, int]:
    """Pieces are only ever added, and gone for good; what is outstanding is paid after that."""
    there = sum(line.quantity for line in lines)
    return there, there - sum(line.kept for line in lines), -max(0, outstanding)


def _moves(before: Known, after: Known) -> bool:
    """Whether the difference may be one in points."""
    return (
        before.lines != after.lines
        or before.outstanding != after.outstanding
        or before.owed != after.owed
        or before.refunds != after.refunds
        or before.customer_id != after.customer_id
        or (before.paid_at is None) != (after.paid_at is None)
        or before.is_test != after.is_test
        or before.shipping != after.shipping
    )


def _at(told: Told) -> datetime:
    return told.at
