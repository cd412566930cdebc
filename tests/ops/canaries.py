"""A router and a Prometheus that do as a test says."""

from dataclasses import replace

from ops.canary.router import RouterError
from ops.canary.signals import SLOW_SECONDS, BlindError, Counts, Look, Side, Tally

GOOD = Side(requests=200, failed=0, p99_seconds=0.05, letters=0.0, resident_bytes=150_000_000)


def look(servers: int = 1, stable: Side = GOOD, **canary: float | None) -> Look:
    return Look(replace(GOOD, **canary), stable, servers)


class Router:
    """A router that notes what it is told, and can be away."""

    def __init__(self) -> None:
        self.given = [0]
        self.pins: dict[str, str] = {}
        self.refuses = 0
        self.is_back = False

    def share(self) -> int:
        return self.given[-1]

    def is_taken_back(self) -> bool:
        return self.is_back

    def give(self, share: int) -> None:
        if self.refuses:
            self.refuses -= 1
            raise RouterError("The router does not answer.")
        self.given.append(share)

    def begin(self) -> None:
        self.is_back = False

    def take_back(self) -> None:
        self.give(0)
        self.is_back = True

    def pin(self, pins: dict[str, str]) -> None:
        self.pins = dict(pins)


class Signals:
    """Answers the looks it was made with, the last of them for ever; `failing` of ten requests
    fail between two looks.
    """

    def __init__(
        self, *looks: Look | None, canary: str = "v2", stable: str = "v1", failing: int = 0
    ) -> None:
        self.looks = list(looks)
        self.running = {"canary": canary, "stable": stable}
        self.failing = failing
        self.asked = 0

    def releases(self, track: str) -> set[str]:
        return {self.running[track]} - {""}

    def look(self, *_: int) -> Look:
        found = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if found is None:
            raise BlindError("Prometheus does not answer.")
        return found

    def counts(self, _: int) -> Counts:
        self.asked += 1
        slow = dict.fromkeys(SLOW_SECONDS, 0.0)
        canary = Tally(self.asked * 10, self.asked * self.failing, self.asked * 10, slow, 0)
        return Counts(canary, Tally(self.asked * 200, 0, self.asked * 200, slow, 0))
