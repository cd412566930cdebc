"""The settings of tiers as they are read: a version never changes, so that it is remembered; not
for ever, for a shop that was redacted and comes back begins with its first one again.
"""

import time
from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec

from app.db import Connection
from app.points.tiers.rules import Scheme, Tier
from app.resilience.memory import Memory

SELECT = """
SELECT found.shop, found.version, found.scheme, found.created_at
  FROM unnest($1::text[], $2::int[]) AS wanted (shop, version)
  JOIN tier_versions AS found ON found.shop = wanted.shop AND found.version = wanted.version
"""
REMEMBERED_MAX = 2_048
REMEMBERED_SECONDS = 600.0
Key = tuple[str, int]  # shop and version


class Of(NamedTuple):
    """A version of a shop's tiers, and the names of tiers by their ids."""

    version: int
    scheme: Scheme
    since: datetime  # in force from then on
    lowest: str  # the id of the tier of who has nothing, empty for none
    thresholds: list[int]  # of its tiers, the lowest first

    def reached(self, measure: int) -> str:
        """The id of the highest tier that so much reaches, empty for none."""
        return self.at(bisect_right(self.thresholds, measure) - 1)

    def tier(self, tier_id: str) -> Tier | None:
        at = self.scheme.level_of(tier_id)
        return self.scheme.tiers[at] if at >= 0 else None

    def at(self, level: int) -> str:
        """The id of the tier of a level, empty for none."""
        return self.scheme.tiers[level].tier_id if level >= 0 else ""


_decoder = msgspec.json.Decoder(Scheme)
_remembered: Memory[Key, tuple[float, Of]] = Memory(REMEMBERED_MAX)


async def of_versions(conn: Connection, wanted: Iterable[Key]) -> dict[Key, Of]:
    """These versions; those that there are not do not come back."""
    now = time.monotonic()
    found: dict[Key, Of] = {}
    missing: list[Key] = []
    for key in dict.fromkeys(wanted):
        known = _remembered.get(key)
        if known is None or now - known[0] > REMEMBERED_SECONDS:
            missing.append(key)
        else:
            found[key] = known[1]
    if missing:
        shops, versions = zip(*missing, strict=True)
        for row in await conn.fetch(SELECT, list(shops), list(versions)):
            key = row["shop"], row["version"]
            scheme = decoded(row["scheme"])
            level, thresholds = scheme.worth(0), [one.threshold for one in scheme.tiers]
            lowest = scheme.tiers[level].tier_id if level >= 0 else ""
            found[key] = Of(row["version"], scheme, row["created_at"], lowest, thresholds)
            _remembered.put(key, (now, found[key]))
    return found


def decoded(text: str) -> Scheme:
    """A scheme from its JSON."""
    return _decoder.decode(text)


def encoded(scheme: Scheme) -> str:
    """A scheme as JSON."""
    return msgspec.json.encode(scheme).decode()


def forget() -> None:
    """Drop what this process remembers (for tests, which empty the tables)."""
    _remembered.clear()
