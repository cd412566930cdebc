"""Books what is to be compared with Shopify: each time that was lost in every shop, and each shop
once in a while.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from app import db
from app.core.reconciliation import rules
from app.db import Stores
from app.flow.lanes import losses, nodes
from app.flow.lanes.losses import Noted
from app.telemetry import logs

NEW_MAX = 1_000
DONE_KEPT = timedelta(days=30)
SHOP_GONE = "The app is not in this shop any more."

log = logs.logger()

PLAN_LOSSES = """
INSERT INTO reconciliations (shop, name, loss_id, since, until, next_at)
SELECT shops.domain, 'loss:' || loss.id, loss.id, loss.since, loss.until,
       greatest(now(), loss.until - $4::interval)
  FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) AS loss (id, since, until)
 CROSS JOIN shops
 WHERE shops.status <> 'uninstalled' AND shops.installed_at <= loss.until
   AND NOT EXISTS (SELECT FROM reconciliations AS known WHERE known.loss_id = loss.id)
ON CONFLICT (shop, name) DO NOTHING
"""
NEW_SHOPS = """
SELECT domain, greatest(installed_at, now() - $1::interval) AS since FROM shops
 WHERE status = 'active'
   AND NOT EXISTS (SELECT FROM reconciliations WHERE shop = domain AND name = $2)
 LIMIT $3
"""
PLAN_ROUNDS = """
INSERT INTO reconciliations (shop, name, since, next_at)
SELECT shop, $1, since, now() + make_interval(secs => seconds)
  FROM unnest($2::text[], $3::timestamptz[], $4::float8[]) AS fresh (shop, since, seconds)
ON CONFLICT (shop, name) DO NOTHING
"""
LEAVE_OUT = """
WITH gone AS (DELETE FROM reconciliations USING shops
               WHERE shop = domain AND status = 'uninstalled' AND loss_id IS NULL)
UPDATE reconciliations SET done_at = now(), error = $1 FROM shops
 WHERE shop = domain AND status = 'uninstalled' AND done_at IS NULL
"""
FORGET = "DELETE FROM reconciliations WHERE done_at < now() - $1::interval"
IS_OPEN = (
    "SELECT DISTINCT loss_id FROM reconciliations WHERE loss_id IS NOT NULL AND done_at IS NULL"
)


async def plan(stores: Stores) -> None:
    """Book what was lost for each shop, and end the losses all of whose shops are looked through;
    book the rounds of shops that are new.
    """
    if stores.besides:
        await nodes.look(stores)  # which shops were moved
    noted = await losses.still_open()
    if noted:
        await _plan_losses(noted)
    every = stores.config.reconcile_every_seconds
    async with db.connection() as connection:
        await connection.execute(LEAVE_OUT, SHOP_GONE)
        await connection.execute(FORGET, DONE_KEPT)
        fresh = await connection.fetch(NEW_SHOPS, rules.FIRST_ROUND, rules.ROUND, NEW_MAX)
        await connection.execute(
            PLAN_ROUNDS,
            rules.ROUND,
            [row["domain"] for row in fresh],
            [row["since"] for row in fresh],
            [rules.spread_seconds(row["domain"], every) for row in fresh],
        )


async def _plan_losses(noted: Sequence[Noted]) -> None:
    earliest = datetime.now(UTC) - rules.WINDOW_MAX
    async with db.connection() as connection:
        await connection.execute(
            PLAN_LOSSES,
            [one.id for one in noted],
            [max(one.loss.lost_from - rules.OVERLAP, earliest) for one in noted],
            [one.loss.noticed_at + rules.OVERLAP for one in noted],
            rules.OVERLAP,
        )
        rows = await connection.fetch(IS_OPEN)
    going_on = {row["loss_id"] for row in rows}
    for loss_id in await losses.close([one.id for one in noted if one.id not in going_on]):
        log.info("a loss was compared with Shopify in every shop", loss=loss_id)
