"""What merchants do with campaigns: every change is a new version, told as `campaign.updated` in
the transaction of the change.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

from app import db, text
from app.campaigns import rules
from app.campaigns.reads import NO_SUCH, STACKING, stacking_of
from app.campaigns.stacking import EDITOR_LENGTH_MAX, LOCK, publish
from app.db import Connection, Row
from app.errors import BadInputError, ConflictError, NotFoundError, RefusedError
from app.own_facts import Campaign, CampaignUpdated

KEY_LENGTH_MAX = 128
SELECT = "SELECT definition, labels FROM campaigns WHERE shop = $1 AND campaign_id = $2"
SELECT_BY_KEY = """
SELECT definition, request_hash FROM campaigns WHERE shop = $1 AND idempotency_key = $2
"""
COUNT = """
SELECT count(*) AS campaigns,
       count(*) FILTER (WHERE state IN ('live', 'paused') AND (ends_at IS NULL OR ends_at > $2)
                              AND campaign_id <> $3) AS live
  FROM campaigns WHERE shop = $1
"""
INSERT = """
INSERT INTO campaigns (shop, campaign_id, version, sort_name, state, starts_at, ends_at, definition,
                       labels, edited_by, updated_at, created_at, idempotency_key, request_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12, $13)
"""
UPDATE = """
UPDATE campaigns SET version = $3, sort_name = $4, state = $5, starts_at = $6, ends_at = $7,
                     definition = $8, labels = $9, edited_by = $10, updated_at = $11
 WHERE shop = $1 AND campaign_id = $2
"""
INSERT_VERSION = """
INSERT INTO campaign_versions (shop, campaign_id, version, definition, labels, edited_by,
                               created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


class StaleCampaignError(ConflictError):
    """Somebody else changed this campaign meanwhile: `current` is how it stands."""

    code = "stale"

    def __init__(self, current: Campaign) -> None:
        super().__init__(
            "Somebody else changed this campaign meanwhile. Nothing of yours was saved yet."
        )
        self.current = current


async def make(
    shop: str,
    wanted: Campaign,
    *,
    key: str,
    by: str,
    labels: Mapping[str, str] | None = None,
) -> Campaign:
    """A new campaign of this definition, as a draft; the same `key` makes one.

    Raises BadInputError with the sentence to show, ConflictError for a key used otherwise, and
    RefusedError where a shop has too many.
    """
    if not 1 <= len(key) <= KEY_LENGTH_MAX or text.clean(key, KEY_LENGTH_MAX) != key:
        raise BadInputError("This form is incomplete. Please reload the page.")
    fresh = _checked(msgspec.structs.replace(wanted, campaign_id="", version=1, state="draft"))
    request_hash = sha256(msgspec.json.encode(fresh)).hexdigest()
    now = datetime.now(UTC)
    async with db.transaction() as conn:
        await conn.execute(LOCK, shop)
        if row := await conn.fetchrow(SELECT_BY_KEY, shop, key):
            return _made_before(row, request_hash)
        counts = await conn.fetchrow(COUNT, shop, now, "")
        if counts["campaigns"] >= rules.CAMPAIGNS_MAX:
            raise RefusedError(f"A shop can have {rules.CAMPAIGNS_MAX:,} campaigns; that is all.")
        made = msgspec.structs.replace(fresh, campaign_id=str(uuid.uuid4()))
        values = _values(shop, made, labels or {}, by, now)
        await conn.execute(INSERT, *values, key, request_hash)
        await _tell(conn, shop, made, labels or {}, by, now)
    return made


async def edit(
    shop: str,
    campaign_id: str,
    wanted: Campaign,
    *,
    by: str,
    seen_version: int | None = None,
    labels: Mapping[str, str] | None = None,
) -> Campaign:
    """Its next version with this definition, in the state it is in. What stays the same makes no
    version.

    Raises BadInputError, NotFoundError, StaleCampaignError when it is no longer the `seen_version`,
    and RefusedError for one that has ended.
    """
    now = datetime.now(UTC)
    async with db.transaction() as conn:
        await conn.execute(LOCK, shop)
        current, before = await _current(conn, shop, campaign_id)
        fresh = msgspec.structs.replace(
            wanted, campaign_id=campaign_id, version=current.version, state=current.state
        )
        fresh = _checked(fresh)
        if fresh == current:
            return current
        if seen_version not in {None, current.version}:
            raise StaleCampaignError(current)
        if rules.shown_state(current, now) == "ended":
            raise RefusedError(rules.HAS_ENDED)
        is_moved = fresh.ends_at != current.ends_at
        if current.state != "draft" and is_moved and rules.is_over(fresh, now):
            raise BadInputError("That end is behind us. To stop it now, end the campaign.")
        names = before if labels is None else dict(labels)
        return await _next(conn, shop, fresh, names, by, now)


async def set_state(shop: str, campaign_id: str, state: str, by: str) -> Campaign:
    """Launch a campaign (live), pause it, let it go on or end it, as its next version; one that is
    so already stays. One that is ended within its window ends at this moment.

    Raises NotFoundError, and RefusedError for what it cannot become.
    """
    now = datetime.now(UTC)
    async with db.transaction() as conn:
        await conn.execute(LOCK, shop)
        current, labels = await _current(conn, shop, campaign_id)
        if current.state == state:
            return current
        if why := rules.refusal(current, state, now):
            raise RefusedError(why)
        fresh = msgspec.structs.replace(current, state=state)
        if state == "live":
            await _check_room(conn, shop, fresh, now)
        is_within = current.starts_at < now and not rules.is_over(current, now)
        if state == "ended" and is_within:
            fresh = msgspec.structs.replace(fresh, ends_at=now)
        return await _next(conn, shop, fresh, labels, by, now)


async def duplicate(shop: str, campaign_id: str, *, key: str, by: str) -> Campaign:
    """A draft of the same definition under another name; the same `key` makes one. Raises as
    `make`, and NotFoundError.
    """
    async with db.connection() as conn:
        row = await conn.fetchrow(SELECT, shop, campaign_id)
    if row is None:
        raise NotFoundError(NO_SUCH)
    of = msgspec.json.decode(row["definition"], type=Campaign)
    name = f"{of.name[: rules.NAME_LENGTH_MAX - len(' (copy)')]} (copy)"
    labels = msgspec.json.decode(row["labels"], type=dict[str, str])
    wanted = msgspec.structs.replace(of, name=name)
    return await make(shop, wanted, key=key, by=by, labels=labels)


def _checked(one: Campaign) -> Campaign:
    """The campaign as it is kept. Raises BadInputError."""
    cleaned = msgspec.structs.replace(
        one,
        name=text.clean(one.name, rules.NAME_LENGTH_MAX + 1).strip(),
        text=text.clean(one.text, rules.TEXT_LENGTH_MAX + 1).strip(),
    )
    sound = rules.without_unused(cleaned)
    if wrong := rules.problems(sound):
        raise BadInputError(next(iter(wrong.values())))
    return sound


def _made_before(row: Row, request_hash: str) -> Campaign:
    made = msgspec.json.decode(row["definition"], type=Campaign)
    if row["request_hash"] != request_hash:
        raise ConflictError(
            f"This form has made the campaign “{made.name}” already. To make another one, reload "
            "the page."
        )
    return made


async def _current(
    conn: Connection, shop: str, campaign_id: str
) -> tuple[Campaign, dict[str, str]]:
    row = await conn.fetchrow(SELECT, shop, campaign_id)
    if row is None:
        raise NotFoundError(NO_SUCH)
    labels = msgspec.json.decode(row["labels"], type=dict[str, str])
    return msgspec.json.decode(row["definition"], type=Campaign), labels


async def _check_room(conn: Connection, shop: str, one: Campaign, now: datetime) -> None:
    counts = await conn.fetchrow(COUNT, shop, now, one.campaign_id)
    if counts is not None and counts["live"] >= rules.LIVE_MAX:
        raise RefusedError(
            f"{rules.LIVE_MAX} campaigns run, are paused or are to come, and that is all there can "
            "be at once. End one of them first."
        )


async def _next(
    conn: Connection, shop: str, one: Campaign, labels: Mapping[str, str], by: str, now: datetime
) -> Campaign:
    fresh = msgspec.structs.replace(one, version=one.version + 1)
    await conn.execute(UPDATE, *_values(shop, fresh, labels, by, now))
    await _tell(conn, shop, fresh, labels, by, now)
    return fresh


def _values(
    shop: str, one: Campaign, labels: Mapping[str, str], by: str, now: datetime
) -> tuple[Any, ...]:
    return (
        shop,
        one.campaign_id,
        one.version,
        text.fold(one.name),
        one.state,
        one.starts_at,
        one.ends_at,
        msgspec.json.encode(one).decode(),
        msgspec.json.encode(labels).decode(),
        text.clean(by, EDITOR_LENGTH_MAX),
        now,
    )


async def _tell(
    conn: Connection, shop: str, one: Campaign, labels: Mapping[str, str], by: str, now: datetime
) -> None:
    """Keep the version and tell it, with how campaigns stack at this moment."""
    await conn.execute(
        INSERT_VERSION,
        shop,
        one.campaign_id,
        one.version,
        msgspec.json.encode(one).decode(),
        msgspec.json.encode(labels).decode(),
        text.clean(by, EDITOR_LENGTH_MAX),
        now,
    )
    how = stacking_of(await conn.fetchrow(STACKING, shop))
    await publish(conn, shop, CampaignUpdated(one, how, now))
