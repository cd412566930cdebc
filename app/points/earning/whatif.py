"""What a campaign would have cost: the orders of the last days replayed under it, in the background
and with progress; one question at a time a shop, and whoever stops over it is gone on for.
"""

import asyncio
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from app import db
from app.errors import BadInputError, NotFoundError, RefusedError
from app.own_facts import Campaign, Stacking
from app.points.earning import stored, terms
from app.points.earning.campaigns import collections, copies
from app.points.earning.campaigns.replay import SIZES, Asked, Found, Replay
from app.telemetry import logs

DAYS = 30
PAGE = 500  # orders at once
SAVE_SECONDS = 2.0
LEASE_SECONDS = 20.0  # so long without a sign, and another process goes on
KEPT = 20  # of a shop, the newest
TOP = 10
START = """
INSERT INTO what_ifs (id, shop, asked, state, since, place, until, total, done, found, problem,
                      seen_at, created_at)
VALUES ($1, $2, $3, 'waiting', $4, 0, 0, 0, 0, '', '', 'epoch', now())
ON CONFLICT (shop) WHERE ended_at IS NULL DO NOTHING RETURNING id
"""
PRUNE = """
DELETE FROM what_ifs
 WHERE shop = $1 AND id IN (SELECT id FROM what_ifs WHERE shop = $1 AND ended_at IS NOT NULL
                             ORDER BY created_at DESC OFFSET $2)
"""
READ = """
SELECT asked, state, since, total, done, found, problem, created_at, ended_at FROM what_ifs
 WHERE shop = $1 AND id = $2
"""
TAKE = """
UPDATE what_ifs SET seen_at = now(), state = 'running'
 WHERE id = (SELECT id FROM what_ifs
              WHERE ended_at IS NULL AND seen_at < now() - make_interval(secs => $1)
              ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, shop, asked, since, place, until, total, done, found
"""
BEFORE = """
SELECT id FROM ledger WHERE shop = $1 AND recorded_at < $2 ORDER BY id DESC LIMIT 1
"""
IS_ORDER = "effect = 'earn' AND source LIKE 'order:%' AND source NOT LIKE 'order:%:%'"
SPAN = f"""
SELECT max(id) AS until, count(*) AS total FROM ledger WHERE shop = $1 AND id > $2 AND {IS_ORDER}
"""
ORDERS = f"""
SELECT earned.id AS place, found.shop, found.source, found.name, found.member_id, found.outcome,
       found.points, found.reversed_points, found.revision, found.frozen, found.known, found.bonuses
  FROM (SELECT id, shop, source FROM ledger
         WHERE shop = $1 AND id > $2 AND id <= $3 AND {IS_ORDER}
         ORDER BY id LIMIT $4) AS earned
  JOIN grants AS found ON found.shop = earned.shop AND found.source = earned.source
 ORDER BY earned.id
"""
SPANNED = "UPDATE what_ifs SET place = $2, until = $3, total = $4, seen_at = now() WHERE id = $1"
SAVE = "UPDATE what_ifs SET place = $2, done = $3, found = $4, seen_at = now() WHERE id = $1"
END = """
UPDATE what_ifs SET state = $2, problem = $3, done = $4, found = $5, ended_at = now() WHERE id = $1
"""
log = logs.logger()


class WhatIf(msgspec.Struct, frozen=True):
    """A question and what is known of its answer."""

    id: str
    campaign: Campaign
    stacking: Stacking
    state: str  # waiting | running | done | failed
    since: datetime
    total: int  # orders; 0 while they are not counted yet
    done: int
    problem: str
    orders: int
    hits: int
    customers: int  # who would have gained
    points: int
    days: list[tuple[str, int]]  # every day, the oldest first
    sizes: list[tuple[int, int]]  # where it begins, and how many orders
    top: list[tuple[str, int]]  # customers who would have gained the most
    created_at: datetime
    ended_at: datetime | None

    @property
    def for_window(self) -> int | None:
        """About what it costs in its own window, by what a day of the last ones would have."""
        if self.campaign.ends_at is None:
            return None
        length = self.campaign.ends_at - self.campaign.starts_at
        return round(self.points * (length / timedelta(days=DAYS)))


async def start(shop: str, campaign: Campaign, stacking: Stacking | None = None) -> str:
    """Ask what the last 30 days would have cost under a campaign; the id of the question.

    Raises BadInputError for a campaign that cannot be replayed, RefusedError while another question
    of the shop is not answered.
    """
    if campaign.trigger not in copies.TRIGGERS:
        raise BadInputError("Only campaigns for orders can be tried on the orders of the past.")
    copies.of(1, campaign, campaign.starts_at)
    asked = Asked(campaign, stacking or Stacking())
    copies.most_units(asked.stacking)
    since = datetime.now(UTC) - timedelta(days=DAYS)
    what_if_id = uuid.uuid4()
    async with db.transaction() as conn:
        if campaign.scope == "collections":
            await collections.want(conn, [(shop, one) for one in campaign.ids])
        made = await conn.fetchval(
            START, what_if_id, shop, msgspec.json.encode(asked).decode(), since
        )
        if made is None:
            raise RefusedError("Another campaign is being tried. Please wait until that is done.")
        await conn.execute(PRUNE, shop, KEPT)
    return str(what_if_id)


async def read(shop: str, what_if_id: str) -> WhatIf:
    """Raises NotFoundError."""
    try:
        key = uuid.UUID(what_if_id)
    except ValueError:
        raise NotFoundError("There is no such trial of a campaign.") from None
    async with db.connection() as conn:
        row = await conn.fetchrow(READ, shop, key)
    if row is None:
        raise NotFoundError("There is no such trial of a campaign. It may be too old.")
    asked = msgspec.json.decode(row["asked"], type=Asked)
    found = _found(row["found"])
    first, last = row["since"].date(), (row["ended_at"] or datetime.now(UTC)).date()
    days = {str(first + timedelta(days=one)): 0 for one in range((last - first).days + 1)}
    top = sorted(found.customers.items(), key=lambda one: (-one[1], one[0]))[:TOP]
    return WhatIf(
        what_if_id,
        asked.campaign,
        asked.stacking,
        row["state"],
        row["since"],
        row["total"],
        row["done"],
        row["problem"],
        found.orders,
        found.hits,
        len(found.customers),
        found.points,
        sorted((days | found.days).items()),
        list(zip((1, *SIZES), found.sizes, strict=True)),
        top,
        row["created_at"],
        row["ended_at"],
    )


def _found(told: str) -> Found:
    return msgspec.json.decode(told, type=Found) if told else Found()


async def go_on(stop: asyncio.Event | None = None) -> bool:
    """Answer the next question that nobody is at, to its end or until `stop`; whether there was
    one.
    """
    async with db.connection() as conn:
        row = await conn.fetchrow(TAKE, LEASE_SECONDS)
    if row is None:
        return False
    try:
        await _answer(row, stop)
    except (BadInputError, msgspec.DecodeError) as error:
        log.warning("a what-if failed", shop=row["shop"], reason=str(error))
        async with db.connection() as conn:
            await conn.execute(END, row["id"], "failed", str(error), row["done"], row["found"])
    return True


async def _answer(row: Any, stop: asyncio.Event | None) -> None:
    asked = msgspec.json.decode(row["asked"], type=Asked)
    place, until, done, total = row["place"], row["until"], row["done"], row["total"]
    async with db.connection() as conn:
        if not until:
            place = await conn.fetchval(BEFORE, row["shop"], row["since"]) or 0
            span = await conn.fetchrow(SPAN, row["shop"], place)
            assert span is not None
            until, total = span["until"] or 0, span["total"]
            await conn.execute(SPANNED, row["id"], place, until, total)
        zone = (await terms.of_shops(conn, [row["shop"]]))[row["shop"]].timezone
    replay = Replay(row["shop"], asked, row["since"], zone, _found(row["found"]))
    saved_at = time.monotonic()
    while place < until:
        async with db.connection() as conn:
            rows = await conn.fetch(ORDERS, row["shop"], place, until, PAGE)
            if not rows:
                break
            await replay.page(conn, [stored.from_row(one) for one in rows])
            place, done = rows[-1]["place"], done + len(rows)
            if time.monotonic() - saved_at > SAVE_SECONDS or (stop and stop.is_set()):
                saved_at = time.monotonic()
                await conn.execute(SAVE, row["id"], place, done, _encode(replay.found))
        if stop and stop.is_set():
            return
        await asyncio.sleep(0)  # orders of now have their turn
    async with db.connection() as conn:
        await conn.execute(END, row["id"], "done", "", done, _encode(replay.found))


def _encode(found: Found) -> str:
    return msgspec.json.encode(found).decode()
