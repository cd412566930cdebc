"""People, their lots and what was given to them: plain figures, one movement at a time."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

NEVER = datetime.max.replace(tzinfo=UTC)
FIGURES = ("pending", "available", "held", "spent", "expired", "reversed", "debt")


@dataclass(eq=False)
class Lot:
    """`number` is its place among all that were made; `grant` is what it is of, as far as it has
    one.
    """

    number: int
    source: str
    remaining: int
    is_pending: bool
    available_at: datetime
    expires_at: datetime | None
    grant: "Grant | None" = None


@dataclass(eq=False)
class Grant:
    """Something that gave points: how many, and what became of those that were asked back."""

    source: str
    person: "Person | None" = None
    given: int = 0
    asked: int = 0
    forgiven: int = 0  # of those asked back, what a policy left
    unmet: int = 0  # of those forgiven, what is taken when they come back from a reward
    lapsed: int = 0  # gone by time, not yet set off
    revision: int = 0

    @property
    def net(self) -> int:
        return self.given - self.asked


@dataclass(eq=False)
class Person:
    """A customer as a member; `kept` is whom they were merged into."""

    customer: str
    figures: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIGURES, 0))
    lots: list[Lot] = field(default_factory=list)
    kept: "Person | None" = None
    has_ledger: bool = False

    @property
    def root(self) -> "Person":
        return self if self.kept is None else self.kept.root

    def move(self, start: str, end: str, points: int) -> None:
        """Between two figures; a debt grows by what is moved out of it."""
        if points:
            for name, sign in ((start, -1), (end, 1)):
                if name in self.figures:
                    self.figures[name] += (-sign if name == "debt" else sign) * points
            self.has_ledger = True

    def take(
        self, points: int, first: Grant | None = None, among: list[Lot] | None = None
    ) -> list[tuple[Lot, int]]:
        """From the lots of `first`, then what ends first, then what came first."""
        lots = [lot for lot in self.lots if not lot.is_pending] if among is None else list(among)
        lots.sort(
            key=lambda lot: (
                first is None or lot.grant is not first,
                lot.expires_at or NEVER,
                lot.available_at,
                lot.number,
            )
        )
        taken = []
        for lot in lots:
            part = min(points, lot.remaining)
            if part:
                lot.remaining -= part
                points -= part
                taken.append((lot, part))
        assert points == 0
        return taken

    def repay(self, points: int, among: list[Lot]) -> None:
        """A debt is paid first from what has just become available."""
        owed = min(points, self.figures["debt"])
        if owed:
            self.take(owed, among=among)
            self.move("available", "debt", owed)
