"""A shop's tiers as its merchant edits them: every edit is a new version, and everybody is placed
anew by it in the background.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from app import calendar, db, text
from app.db import Connection
from app.errors import BadInputError, ConflictError, RefusedError
from app.points.earning import rules as earning
from app.points.earning import terms
from app.points.tiers import rules, schemes
from app.points.tiers.rules import Scheme, Tier

TIERS_MAX = 8
NAME_LENGTH, PERK_LENGTH, ICON_LENGTH = 40, 120, 16
PERKS_MAX = 6
NAMING_SHOWN = 3
DAYS_MAX, GRACE_DAYS_MAX = 1_825, 180
FACTOR_MAX_UNITS = 10 * rules.FACTOR_ONE
THRESHOLD_MAX = 1_000_000_000
TIER_ID = re.compile(r"[a-z0-9]{1,16}")
MEASURES = ("points", "spend", "orders")
PERIODS = ("year", "rolling", "forever")
POLICIES = ("cycle", "one", "balance", "never")
# what decides where somebody stands; names, multipliers and perks do not
PLACING = ("measure", "period", "days", "policy", "grace_days")
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('tiers/' || $1::text, 0))"
SELECT_NEWEST = """
SELECT version, scheme, created_at FROM tier_versions
 WHERE shop = $1 ORDER BY version DESC LIMIT 1
"""
INSERT_VERSION = """
INSERT INTO tier_versions (shop, version, scheme, edited_by, created_at)
VALUES ($1, $2, $3, $4, $5)
"""
# A transaction that is open when this one ends may have read that there are no tiers, or others:
# the background looks which there are (since_tx: 0 until then), and waits until all are over.
UPSERT_SHOP = """
INSERT INTO tier_shops AS known (shop, version, is_on, timezone, counts_from_days, stage, since_tx,
                                 place, done, total, asked_at, figures)
VALUES ($1, $2, $3, $4, $5, $6, 0, '', 0, 0, $7, '')
ON CONFLICT (shop) DO UPDATE
   SET version = excluded.version, is_on = excluded.is_on, timezone = excluded.timezone,
       counts_from_days = excluded.counts_from_days, since_tx = excluded.since_tx,
       (stage, place, done, asked_at, ended_at) = (
           SELECT * FROM (VALUES
               (known.stage, known.place, known.done, known.asked_at, known.ended_at),
               (excluded.stage, '', 0, excluded.asked_at, NULL)) AS either
            OFFSET CASE WHEN excluded.stage = 'done'
                          OR (known.stage IN ('clearing', 'counting') AND excluded.is_on)
                        THEN 0 ELSE 1 END
            LIMIT 1)
"""


# of a campaign the newest version that was told to us counts
SELECT_NAMING = """
SELECT 'reward' AS what, title FROM rewards
 WHERE shop = $1 AND is_active AND details::jsonb->'tiers' ? $2
UNION ALL
SELECT 'campaign', told::jsonb->>'name' FROM campaign_copies AS copy
 WHERE shop = $1 AND (ends_at IS NULL OR ends_at > now())
   AND told::jsonb->'audience'->>'kind' = 'tiers' AND told::jsonb->'audience'->'names' ? $2
   AND told::jsonb->>'state' IN ('live', 'paused')
   AND NOT EXISTS (SELECT FROM campaign_copies AS newer
                    WHERE newer.shop = $1 AND newer.campaign_id = copy.campaign_id
                      AND newer.version > copy.version)
 ORDER BY 1 DESC, 2 LIMIT $3
"""


class StaleTiersError(ConflictError):
    """Somebody else saved other tiers meanwhile."""

    code = "stale"

    def __init__(self, version: int) -> None:
        super().__init__(
            "Somebody else changed the tiers meanwhile. Nothing of yours was saved yet."
        )
        self.version = version


def problems(scheme: Scheme) -> dict[str, str]:
    """What is wrong with tiers, a plain sentence by field; fields of a tier as `name-<tier id>`.
    Thresholds are in the order they would have on the page.
    """
    found: dict[str, str] = {}
    if scheme.measure not in MEASURES:
        found["measure"] = "Please choose what is counted."
    if scheme.period not in PERIODS:
        found["period"] = "Please choose over which time it is counted."
    if scheme.policy not in POLICIES:
        found["policy"] = "Please choose how a tier is lost."
    if scheme.period == "rolling" and not 1 <= scheme.days <= DAYS_MAX:
        found["days"] = f"Please give whole days from 1 to {DAYS_MAX:,}."
    if not 0 <= scheme.grace_days <= GRACE_DAYS_MAX:
        found["grace_days"] = f"Please give whole days from 0 to {GRACE_DAYS_MAX}."
    if len(scheme.tiers) > TIERS_MAX:
        found[""] = f"A shop has at most {TIERS_MAX} tiers."
    for at, tier in enumerate(scheme.tiers):
        found |= _of_tier(tier, scheme.tiers[:at])
    return found


def _of_tier(tier: Tier, below: Sequence[Tier]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = f"name-{tier.tier_id}"
    if not tier.name.strip() or len(tier.name) > NAME_LENGTH:
        found[name] = f"Please give a name of at most {NAME_LENGTH} characters."
    elif any(one.name.casefold() == tier.name.casefold() for one in below):
        found[name] = "Another tier has this name already."
    threshold = f"threshold-{tier.tier_id}"
    if not 0 <= tier.threshold <= THRESHOLD_MAX * earning.MICROS:
        found[threshold] = f"Please give a number from 0 to {THRESHOLD_MAX:,}."
    elif below and tier.threshold <= below[-1].threshold:
        found[threshold] = f"This must be more than what {below[-1].name} asks for."
    if not rules.FACTOR_ONE <= tier.factor_units <= FACTOR_MAX_UNITS:
        found[f"factor-{tier.tier_id}"] = "Please give a multiplier from 1 to 10, such as 1.5."
    if len(tier.perks) > PERKS_MAX or any(len(one) > PERK_LENGTH for one in tier.perks):
        found[f"perks-{tier.tier_id}"] = (
            f"Please give at most {PERKS_MAX} lines of {PERK_LENGTH} characters."
        )
    if len(tier.icon) > ICON_LENGTH:
        found[f"icon-{tier.tier_id}"] = "Please give one emoji."
    return found


async def save(shop: str, scheme: Scheme, by: str, seen_version: int | None = None) -> int:
    """The tiers from now on, as a new version; its number. What stays the same makes none.

    Tiers must be in ascending order. `seen_version` is the one the editor was looking at, 0 for
    none. Raises BadInputError with a sentence, RefusedError for a tier that something still names,
    and StaleTiersError.
    """
    scheme = _clean(scheme)
    if found := problems(scheme):
        raise BadInputError(next(iter(found.values())))
    now = datetime.now(UTC)
    async with db.transaction() as conn:
        await conn.execute(LOCK, shop)
        row = await conn.fetchrow(SELECT_NEWEST, shop)
        version = row["version"] if row else 0
        current = schemes.decoded(row["scheme"]) if row else Scheme()
        timezone = (await terms.program(conn, shop)).timezone
        places = _places_otherwise(current, scheme)
        since = now.astimezone(calendar.zone(timezone)).date() if places else current.placed_on
        scheme = msgspec.structs.replace(scheme, placed_on=since)
        if scheme == current:
            return version
        if seen_version is not None and seen_version != version:
            raise StaleTiersError(version)
        await _refuse_named(conn, shop, current, scheme)
        await conn.execute(
            INSERT_VERSION, shop, version + 1, schemes.encoded(scheme), text.clean(by, 64), now
        )
        stage = "placing" if places else "done"
        if scheme.is_on and not current.is_on:
            stage = "clearing"
        await _set(conn, shop, version + 1, scheme, timezone, stage, now)
    return version + 1


async def _set(
    conn: Connection,
    shop: str,
    version: int,
    scheme: Scheme,
    timezone: str,
    stage: str,
    now: datetime,
) -> None:
    since = rules.counts_from_days(scheme)
    await conn.execute(UPSERT_SHOP, shop, version, scheme.is_on, timezone, since, stage, now)


def _places_otherwise(current: Scheme, scheme: Scheme) -> bool:
    """Whether somebody may stand elsewhere by the new settings."""
    if any(getattr(current, name) != getattr(scheme, name) for name in PLACING):
        return True
    steps = [[(one.tier_id, one.threshold) for one in tiers.tiers] for tiers in (current, scheme)]
    return steps[0] != steps[1]


def _clean(scheme: Scheme) -> Scheme:
    """Texts as they can be kept and shown, and no days where nothing rolls."""
    tiers = [
        msgspec.structs.replace(
            one,
            name=text.clean(one.name, NAME_LENGTH + 1).strip(),
            perks=[text.clean(perk, PERK_LENGTH + 1).strip() for perk in one.perks],
            icon=text.clean(one.icon, ICON_LENGTH + 1).strip(),
        )
        for one in scheme.tiers
    ]
    for one in tiers:
        if not TIER_ID.fullmatch(one.tier_id):
            raise BadInputError("A tier has an id of small letters and digits.")
    if len({one.tier_id for one in tiers}) < len(tiers):
        raise BadInputError("Two tiers cannot have the same id.")
    days = scheme.days if scheme.period == "rolling" else 365
    counts = scheme.counts and not tiers
    return msgspec.structs.replace(scheme, tiers=tiers, days=days, counts=counts)


async def _refuse_named(conn: Connection, shop: str, current: Scheme, scheme: Scheme) -> None:
    """Raises RefusedError where a tier that goes is named by a reward or by a campaign that is not
    over.
    """
    stays = {one.tier_id for one in scheme.tiers}
    for one in current.tiers:
        if one.tier_id in stays:
            continue
        rows = await conn.fetch(SELECT_NAMING, shop, one.tier_id, NAMING_SHOWN)
        if rows:
            named = ", ".join(f"the {row['what']} “{row['title']}”" for row in rows)
            raise RefusedError(
                f"{one.name} is named by {named}. Please change that first.", code="named"
            )
