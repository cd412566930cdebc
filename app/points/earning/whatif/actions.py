"""Questions what a campaign would have cost, answered in the background: one at a time a shop, and
where one process stops another goes on.
"""

import asyncio
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from app import db
from app.errors import BadInputError, RefusedError
from app.flags import evaluation, known
from app.own_facts import Campaign, Stacking
from app.points.earning import stored, terms
from app.points.earning.campaigns import collections, copies
from app.points.earning.whatif.replay import DAYS, Asked, Found, Replay, Shown, found_of
from app.telemetry import logs

PAGE = 500  # orders at once
SAVE_SECONDS = 2.0
LEASE_SECONDS = 20.0  # so long without a sign, and another process goes on
KEPT = 20  # of a shop, the newest
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
TAKE = """
UPDATE what_ifs SET seen_at = now(), state = 'running'
 WHERE id = (SELECT id FROM what_ifs
              WHERE ended_at IS NULL AND seen_at < now() - make_interval(secs => $1)
              ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, shop, asked, since, place, until, total, done, found, working
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
SAVE = """
UPDATE what_ifs SET place = $2, done = $3, found = $4, working = $5, seen_at = now() WHERE id = $1
"""
END = """
UPDATE what_ifs
   SET state = $2, problem = $3, done = $4, found = $5, working = '', ended_at = now()
 WHERE id = $1
"""
log = logs.logger()


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


async def go_on(stop: asyncio.Event | None = None) -> bool:
    """Answer the next question that nobody is at, to its end or until `stop`; whether there was
    one.
    """
    if not evaluation.is_on(known.WHAT_IF):
        return False
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
    replay = Replay(row["shop"], asked, row["since"], zone, found_of(row["working"]))
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
                shown, working = _encode(replay.found.shown()), _encode(replay.found)
                await conn.execute(SAVE, row["id"], place, done, shown, working)
        if stop and stop.is_set():
            return
        await asyncio.sleep(0)  # orders of now have their turn
    async with db.connection() as conn:
        shown = _encode(replay.found.shown())
        await conn.execute(END, row["id"], "done", "", done, shown)


def _encode(found: Found | Shown) -> str:
    return msgspec.json.encode(found).decode()
