"""How the multipliers of a shop go together: one setting, told as `campaign.updated` like every
change of a campaign.
"""

from datetime import UTC, datetime
from typing import Any

from app import db, text
from app.campaigns import rules
from app.campaigns.reads import STACKING, stacking_of
from app.db import Connection
from app.errors import BadInputError, ConflictError
from app.flow import event as envelope
from app.flow.bus import log as fact_log
from app.own_facts import CampaignUpdated, Stacking
from app.telemetry import traces

TOPIC = "campaign.updated"
EDITOR_LENGTH_MAX = 64
# a shop's changes come one after the other, and so do the facts that tell them
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('campaigns/' || $1::text, 0))"
INSERT = """
INSERT INTO campaign_stackings (shop, version, policy, cap, edited_by, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""


class StaleStackingError(ConflictError):
    """Somebody else changed how multipliers stack meanwhile: `current` is how it stands."""

    code = "stale"

    def __init__(self, current: Stacking) -> None:
        super().__init__("Somebody else changed this meanwhile. Nothing of yours was saved yet.")
        self.current = current


async def set_stacking(
    shop: str, policy: Any, cap: str, *, by: str, seen_version: int | None = None
) -> Stacking:
    """How the shop's multipliers go together from now on; `cap` is the most they make together,
    empty for none. Raises BadInputError and StaleStackingError.
    """
    number = rules.decimal(cap)
    if wrong := rules.stacking_problems(policy, number, is_capped=bool(cap)):
        raise BadInputError(next(iter(wrong.values())))
    written = "" if number is None else f"{number.normalize():f}"
    now = datetime.now(UTC)
    async with db.transaction() as conn:
        await conn.execute(LOCK, shop)
        current = stacking_of(await conn.fetchrow(STACKING, shop))
        if (current.policy, current.cap) == (policy, written):
            return current
        if seen_version not in {None, current.version}:
            raise StaleStackingError(current)
        fresh = Stacking(current.version + 1, policy, written)
        editor = text.clean(by, EDITOR_LENGTH_MAX)
        await conn.execute(INSERT, shop, fresh.version, fresh.policy, fresh.cap, editor, now)
        await publish(conn, shop, CampaignUpdated(None, fresh, now))
    return fresh


async def publish(conn: Connection, shop: str, told: CampaignUpdated) -> None:
    """Tell a change, in the transaction open on `conn` that makes it."""
    fact = envelope.new(TOPIC, shop, shop, told, trace=traces.carrier())
    await fact_log.append(conn, [fact])
