"""What campaigns have given so far, locked: how much of a budget and of a customer's cap is left,
and what a batch changes of it.
"""

from collections.abc import Iterable

from app.db import Connection
from app.points.earning.rules import Bonus
from app.writes import Writes

# One row a campaign: whoever gives from a budget holds it to the end of the transaction, so that
# many at once cannot overrun it. Locked after orders and members, in one order by everybody.
MAKE = """
INSERT INTO campaign_purses (shop, campaign_id, points)
SELECT shop, campaign_id, 0 FROM unnest($1::text[], $2::text[]) AS wanted (shop, campaign_id)
 ORDER BY 1, 2
ON CONFLICT (shop, campaign_id) DO NOTHING
"""
LOCK = """
SELECT shop, campaign_id, points FROM campaign_purses
 WHERE (shop, campaign_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
 ORDER BY shop, campaign_id FOR UPDATE
"""
# the members are locked already
USES = """
SELECT shop, campaign_id, member_id, points, spent
  FROM unnest($1::text[], $2::text[], $3::bigint[]) AS wanted (shop, campaign_id, member_id)
  JOIN campaign_uses USING (shop, campaign_id, member_id)
"""
ADD_TOTALS = """
UPDATE campaign_purses SET points = campaign_purses.points + fresh.points FROM {fresh}
 WHERE campaign_purses.shop = fresh.shop AND campaign_purses.campaign_id = fresh.campaign_id
"""
ADD_USES = """
INSERT INTO campaign_uses AS old (shop, campaign_id, member_id, points, spent)
SELECT shop, campaign_id, member_id, points, spent FROM {fresh}
ON CONFLICT (shop, campaign_id, member_id)
DO UPDATE SET points = old.points + EXCLUDED.points, spent = old.spent + EXCLUDED.spent
"""
MERGE_USES = """
WITH gone AS (DELETE FROM campaign_uses WHERE shop = $1 AND member_id = $2
              RETURNING shop, campaign_id, points, spent)
INSERT INTO campaign_uses AS old (shop, campaign_id, member_id, points, spent)
SELECT shop, campaign_id, $3, points, spent FROM gone
ON CONFLICT (shop, campaign_id, member_id)
DO UPDATE SET points = old.points + EXCLUDED.points, spent = old.spent + EXCLUDED.spent
"""
TOTAL = {"shop": "text", "campaign_id": "text", "points": "bigint"}
USE = {
    "shop": "text",
    "campaign_id": "text",
    "member_id": "bigint",
    "points": "bigint",
    "spent": "bigint",
}
Total = tuple[str, str]  # shop and campaign
Use = tuple[str, str, int]  # and member


class Purse:
    """The figures of a batch: as they were locked, and by how much it changes them."""

    def __init__(self) -> None:
        self.totals: dict[Total, int] = {}
        self.uses: dict[Use, tuple[int, int]] = {}  # points, and millionths spent
        self._total_changes: dict[Total, int] = {}
        self._use_changes: dict[Use, list[int]] = {}

    async def load(self, conn: Connection, totals: Iterable[Total], uses: Iterable[Use]) -> None:
        """Lock the totals of campaigns, made where missing, and read what members got."""
        if wanted := sorted(set(totals)):
            columns = [list(column) for column in zip(*wanted, strict=True)]
            rows = await conn.fetch(LOCK, *columns)
            if len(rows) < len(wanted):
                await conn.execute(MAKE, *columns)
                rows = await conn.fetch(LOCK, *columns)
            self.totals = {(row["shop"], row["campaign_id"]): row["points"] for row in rows}
        if asked := sorted(set(uses)):
            columns = [list(column) for column in zip(*asked, strict=True)]
            for row in await conn.fetch(USES, *columns):
                key = (row["shop"], row["campaign_id"], row["member_id"])
                self.uses[key] = (row["points"], row["spent"])

    def given(self, shop: str, campaign_id: str) -> int:
        key = (shop, campaign_id)
        return self.totals.get(key, 0) + self._total_changes.get(key, 0)

    def got(self, shop: str, campaign_id: str, member_id: int) -> int:
        key = (shop, campaign_id, member_id)
        return self.uses.get(key, (0, 0))[0] + self._use_changes.get(key, (0, 0))[0]

    def spent(self, shop: str, campaign_id: str, member_id: int) -> int:
        key = (shop, campaign_id, member_id)
        return self.uses.get(key, (0, 0))[1] + self._use_changes.get(key, (0, 0))[1]

    def left(
        self, shop: str, campaign_id: str, member_id: int, cap: int | None, budget: int | None
    ) -> int | None:
        """How much more a campaign may give to this member; None: as much as it likes."""
        least = None
        if budget is not None:
            least = max(0, budget - self.given(shop, campaign_id))
        if cap is not None:
            of_cap = max(0, cap - self.got(shop, campaign_id, member_id))
            least = of_cap if least is None else min(least, of_cap)
        return least

    def note(
        self, shop: str, bonus: Bonus, member_id: int, points: int, *, is_goal: bool = False
    ) -> None:
        """So much more, or less, given by a campaign; of one with a goal in all of its time is kept
        who has it, for it is reached once.
        """
        total = (shop, bonus.campaign_id)
        if bonus.budget is not None:
            self._total_changes[total] = self._total_changes.get(total, 0) + points
        if bonus.cap is not None or is_goal:
            self._use((*total, member_id))[0] += points

    def note_spent(self, shop: str, campaign_id: str, member_id: int, micros: int) -> None:
        self._use((shop, campaign_id, member_id))[1] += micros

    def _use(self, key: Use) -> list[int]:
        return self._use_changes.setdefault(key, [0, 0])

    def gather(self, writes: Writes) -> None:
        """What is to be written."""
        totals = [(*key, points) for key, points in self._total_changes.items() if points]
        uses = [(*key, *change) for key, change in self._use_changes.items() if any(change)]
        if totals:
            writes.add(ADD_TOTALS.format(fresh=writes.rows("fresh", TOTAL, totals)))
        if uses:
            writes.add(ADD_USES.format(fresh=writes.rows("fresh", USE, uses)))


async def merge(conn: Connection, shop: str, gone_id: int, kept_id: int) -> None:
    """What one member got counts for whom it was merged into."""
    await conn.execute(MERGE_USES, shop, gone_id, kept_id)
