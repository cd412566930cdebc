"""Bonuses for what is no order, such as a birthday or a new account."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from app.db import Connection
from app.points.earning import memberships
from app.points.earning.campaigns import copies, judging
from app.points.earning.campaigns.copies import Copies, Copy
from app.points.earning.campaigns.judging import Circumstances
from app.points.earning.campaigns.purse import Purse
from app.points.earning.multiplying import FACTOR_UNITS, combined
from app.points.earning.rules import Bonus
from app.points.tiers import standing
from app.writes import Writes


class EventBonus(NamedTuple):
    """What a version of a campaign gives for an event; keep it with the award, to take it back."""

    campaign_id: str
    version: int
    name: str
    points: int
    cap: int | None = None
    budget: int | None = None


async def bonuses(
    conn: Connection,
    shop: str,
    member: tuple[int, str],
    trigger: str,
    base_points: int,
    at: datetime,
) -> list[EventBonus]:
    """What campaigns for such events (birthday, account) give on top of `base_points` to a locked
    member (id, customer id), who belongs where they belonged at that moment.

    Budgets and caps are taken from in the transaction open on `conn`, which must give exactly that.
    """
    found = await copies.of_shop(conn, shop)
    moment = at.timestamp()
    running = [
        one
        for one in found.at(moment)
        if one.campaign.trigger == trigger and one.is_live and one.starts <= moment < one.ends
    ]
    if not running:
        return []
    (names,) = await memberships.at(conn, [(shop, member[1], at)])
    (stands,) = await standing.at(conn, [(shop, member[1], at)])
    around = Circumstances(names, stands)
    counting = [one for one in running if judging.is_for(one, around)]
    purse = Purse()
    limited = [_bonus(one) for one in counting]
    await purse.load(
        conn,
        [(shop, one.campaign_id) for one in limited if one.budget is not None],
        [(shop, one.campaign_id, member[0]) for one in limited if one.cap is not None],
    )
    given = []
    for one, points in _shares(counting, found, base_points, moment):
        bonus = _bonus(one)
        left = purse.left(shop, bonus.campaign_id, member[0], bonus.cap, bonus.budget)
        gives = points if left is None else min(points, left)
        if gives > 0:
            purse.note(shop, bonus, member[0], gives)
            given.append(
                EventBonus(
                    bonus.campaign_id, bonus.version, bonus.name, gives, bonus.cap, bonus.budget
                )
            )
    await _write(conn, purse)
    return given


async def give_back(
    conn: Connection, shop: str, member_id: int, given: Sequence[EventBonus]
) -> None:
    """What was taken back with its award can be given again."""
    purse = Purse()
    for one in given:
        bonus = Bonus(
            0, one.campaign_id, one.version, one.name, "add", 0, cap=one.cap, budget=one.budget
        )
        purse.note(shop, bonus, member_id, -one.points)
    await _write(conn, purse)


async def _write(conn: Connection, purse: Purse) -> None:
    writes = Writes()
    purse.gather(writes)
    await writes.send(conn)


def _bonus(one: Copy) -> Bonus:
    campaign = one.campaign
    return Bonus(
        one.id,
        campaign.campaign_id,
        campaign.version,
        campaign.name,
        campaign.effect,
        one.units,
        cap=campaign.cap,
        budget=campaign.budget,
    )


def _shares(
    counting: Sequence[Copy], found: Copies, base_points: int, moment: float
) -> list[tuple[Copy, int]]:
    """What each adds: those that multiply by how they stack, the most first; rounded down."""
    stacking = found.stacking(moment)
    shares, factors, total = [], list[int](), base_points
    multiplying = [one for one in counting if one.campaign.effect == "multiply"]
    for one in sorted(multiplying, key=lambda one: (-one.units, one.id)):
        factors.append(one.units)
        times = combined(stacking.policy, copies.most_units(stacking), factors)
        reached = base_points * times // FACTOR_UNITS
        shares.append((one, max(0, reached - total)))
        total = max(total, reached)
    return shares + [(one, one.units) for one in counting if one.campaign.effect == "add"]
