"""Days in a merchant's time zone."""

from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=512)
def zone(name: str) -> ZoneInfo:
    """The time zone of that IANA name; UTC where the name is unknown here."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


@lru_cache(maxsize=4096)
def start_of_day(day: date, timezone: str) -> datetime:
    """The first instant (UTC) of that day in that time zone."""
    # fold 0: of two midnights the first; of none, the offset before the jump, which gives the
    # instant of the jump
    return datetime.combine(day, time(), zone(timezone)).astimezone(UTC)
