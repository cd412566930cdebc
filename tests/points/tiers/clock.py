"""A clock for the modules of tiers that can be moved."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from unittest.mock import patch
from zoneinfo import ZoneInfo

from app.points import handlers
from app.points.tiers import actions, audit, recounting


class Clock:
    """Stands where modules have `datetime`, and can be moved."""

    def __init__(self) -> None:
        self.at = datetime(2025, 10, 20, 22, 40, tzinfo=ZoneInfo("UTC"))

    def now(self, _zone: tzinfo | None = None) -> datetime:
        return self.at

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        patches = [patch.object(one, "datetime", self) for one in MODULES]
        for one in patches:
            one.start()
        try:
            yield
        finally:
            for one in patches:
                one.stop()


MODULES = (handlers, actions, recounting, audit)
