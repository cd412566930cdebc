"""What the service has of some shops, and what their models have."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from app import db
from tests.points.histories.model.campaigns import Campaign
from tests.points.histories.model.people import FIGURES
from tests.points.histories.run import Run

MEMBERS = f"""
SELECT shop, customer_id, id, merged_into, {", ".join(FIGURES)} FROM members
 WHERE shop = ANY($1::text[])
"""
LOTS = """
SELECT lots.shop, customer_id, source, remaining, is_pending, expires_at
  FROM lots JOIN members ON members.id = member_id
 WHERE lots.shop = ANY($1::text[]) AND remaining > 0
"""
GRANTS = """
SELECT shop, source, points, reversed_points, forgiven, unmet, lapsed FROM grants
 WHERE shop = ANY($1::text[]) AND points > 0
"""
REDEMPTIONS = """
SELECT shop, id::text, customer_id, title, points, state, returned_points FROM redemptions
 WHERE shop = ANY($1::text[]) ORDER BY created_at, title
"""
STANDINGS = """
SELECT standing.shop, customer_id, tier_id FROM tier_standings AS standing
  JOIN members ON members.id = member_id WHERE standing.shop = ANY($1::text[])
"""
CHANGES = """
SELECT change.shop, customer_id, at, before_id, tier_id FROM tier_changes AS change
  JOIN members ON members.id = member_id
 WHERE change.shop = ANY($1::text[]) AND merged_into IS NULL ORDER BY change.id
"""
USES = """
SELECT use.shop, customer_id, campaign_id, points, use.spent FROM campaign_uses AS use
  JOIN members ON members.id = member_id WHERE use.shop = ANY($1::text[])
"""
PURSES = """
SELECT shop, campaign_id, points FROM campaign_purses WHERE shop = ANY($1::text[]) AND points <> 0
"""
BIRTHDAYS = """
SELECT shop, customer_id, month_day, given_on FROM birthdays WHERE shop = ANY($1::text[])
"""
Found = dict[str, dict[str, Any]]  # by shop, and by what is compared


async def compare(runs: Sequence[Run]) -> list[tuple[Run, str]]:
    """Those that are not as their models have them, and what is different."""
    found = await _service([one.shop for one in runs])
    differing = []
    for run in runs:
        rows = found[run.shop]
        _learn_ids(run, rows.pop("redemption ids"))
        expected = _model(run)
        base = run.model.schemes[-1][1].base() if run.model.schemes else None
        for tiers in (rows["tiers"], expected["tiers"]):  # who has none is where everybody begins
            for customer in expected["tiers"]:
                tiers[customer] = base if tiers.get(customer) is None else tiers[customer]
        capped = {one.name for one in run.model.shop.campaigns.values() if _is_capped(one)}
        rows["uses"] = {one: points for one, points in rows["uses"].items() if one[1] in capped}
        told = [
            f"{name}: the service has {there}, the model {expected[name]}"
            for name, there in rows.items()
            if there != expected[name]
        ]
        if told:
            differing.append((run, "\n".join(told)))
    return differing


async def _service(shops: list[str]) -> Found:
    async with db.connection() as conn:

        async def by_shop(query: str) -> dict[str, list[tuple[Any, ...]]]:
            grouped: dict[str, list[tuple[Any, ...]]] = {shop: [] for shop in shops}
            for row in await conn.fetch(query, shops):
                shop, *rest = row
                grouped[shop].append(tuple(rest))
            return grouped

        members, lots, grants, redemptions, standings, changes, uses, purses, days = [
            await by_shop(one)
            for one in (
                MEMBERS,
                LOTS,
                GRANTS,
                REDEMPTIONS,
                STANDINGS,
                CHANGES,
                USES,
                PURSES,
                BIRTHDAYS,
            )
        ]
    found: Found = {}
    for shop in shops:
        merged = {row[1]: row[0] for row in members[shop]}
        found[shop] = {
            "members": {row[0]: (merged.get(row[2]), *row[3:]) for row in members[shop]},
            "grants": {row[0]: row[1:] for row in grants[shop]},
            "redemption ids": redemptions[shop],
            "redemptions": {row[0]: row[1:] for row in redemptions[shop]},
            "lots": sorted(((who, _of(one), *rest) for who, one, *rest in lots[shop]), key=str),
            "changes": {
                who: _changes([one[1:] for one in changes[shop] if one[0] == who])
                for who in {one[0] for one in changes[shop]}
            },
            "tiers": dict(standings[shop]),
            "uses": {(who, name): points for who, name, points, _ in uses[shop] if points},
            "goals": {(who, name): spent for who, name, _, spent in uses[shop] if spent},
            "purses": dict(purses[shop]),
            "birthdays": {row[0]: row[1:] for row in days[shop]},
        }
    return found


def _learn_ids(run: Run, rows: Sequence[tuple[Any, ...]]) -> None:
    """Of what was given for nothing: by whose it is, and what."""
    known = set(run.ids.values())
    unnamed = [one for one in run.model.redemptions if one not in run.ids]
    for name, customer, title, *_ in rows:
        if name not in known:
            for one in unnamed:
                if (one.person.root.customer, str(one.place)) == (customer, title):
                    run.ids[one] = name
                    unnamed.remove(one)
                    break


def _model(run: Run) -> dict[str, Any]:
    model = run.model
    grants = [*model.orders.values(), *model.gifts.values(), *model.referrals.values()]
    people = model.people
    campaigns = model.shop.campaigns.values()
    return {
        "members": {
            name: (one.kept.customer if one.kept else None, *one.figures.values())
            for name, one in people.items()
        },
        "grants": {
            one.source: (one.given, one.asked, one.forgiven, one.unmet, one.lapsed)
            for one in grants
            if one.given
        },
        "redemptions": {
            run.ids.get(one, f"none of {one.place}"): (
                one.person.root.customer,
                str(one.place),
                one.points,
                one.state,
                one.returned,
            )
            for one in model.redemptions
        },
        "lots": sorted(
            (
                (name, _of(lot.source), lot.remaining, lot.is_pending, _utc(lot.expires_at))
                for name, one in people.items()
                for lot in one.lots
                if lot.remaining
            ),
            key=str,
        ),
        "changes": {
            one.customer: _changes(standing.changes)
            for one, standing in model.standings.items()
            if standing.changes
        },
        "tiers": {
            one.customer: model.standings[one].tier if one in model.standings else None
            for one in people.values()
            if one.kept is None
        },
        "uses": {
            (who.customer, one.name): points
            for one in campaigns
            for who, points in one.got.items()
            if points and _is_capped(one)
        },
        "goals": {
            (who.customer, one.name): spent
            for one in campaigns
            for who, spent in one.spent.items()
            if spent
        },
        "purses": {
            one.name: sum(one.got.values())
            for one in campaigns
            if sum(one.got.values()) and one.versions and one.versions[0].budget is not None
        },
        "birthdays": {name: (one.month_day, one.given_on) for name, one in model.birthdays.items()},
    }


def _changes(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Who was never placed came from where everybody began then, or begins now."""
    return [
        (at, before if place else None, after) for place, (at, before, after) in enumerate(found)
    ]


def _is_capped(one: Campaign) -> bool:
    return bool(one.versions) and one.versions[0].cap is not None


def _utc(at: datetime | None) -> datetime | None:
    return at.astimezone(UTC) if at else None


def _of(source: str) -> str:
    """Which movement of an order made a lot is only a name; a way's gifts have each their own."""
    if source.startswith("way:"):
        return source.removesuffix(":back")
    return ":".join(source.split(":")[:2])
