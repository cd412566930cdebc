"""What is given and taken back, whatever it is for; holding back, expiry and merging."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tests.points.histories.model.people import FIGURES, Grant, Lot, Person


@dataclass
class Rules:
    rate: str = "1"
    rounding: str = "down"
    pending_days: int = 0
    expiry_days: int | None = None
    clawback: str = "within_balance"
    state: str = "live"


class Books:
    """The people of a shop, and the rules they earn by."""

    def __init__(self, zone: str, now: datetime) -> None:
        self.zone = ZoneInfo(zone)
        self.now = now
        self.versions: list[tuple[datetime, Rules]] = []
        self.people: dict[str, Person] = {}
        self._lots = 0

    @property
    def rules(self) -> Rules:
        return self.versions[-1][1]

    def rules_at(self, at: datetime) -> Rules:
        """Those in force then, or within that second; the first ones also before."""
        whole = at if at.microsecond else at.replace(microsecond=999_999)
        known = [rules for since, rules in self.versions if since <= whole]
        return known[-1] if known else self.versions[0][1]

    def day(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def start_of(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone)

    def person(self, customer: str) -> Person:
        """Who has this customer's points; made a member where they were none."""
        return self.people.setdefault(customer, Person(customer)).root

    def lot(
        self,
        person: Person,
        source: str,
        points: int,
        available_at: datetime,
        expires_at: datetime | None,
        grant: Grant | None,
    ) -> Lot:
        self._lots += 1
        is_pending = available_at > self.now
        lot = Lot(self._lots, source, points, is_pending, available_at, expires_at, grant)
        person.lots.append(lot)
        return lot

    def ends(self, available_at: datetime, days: int | None) -> datetime | None:
        """The end of the day so many days after that one."""
        if days is None:
            return None
        return self.start_of(self.day(available_at) + timedelta(days=days + 1))

    def earn(
        self,
        person: Person,
        source: str,
        points: int,
        available_at: datetime,
        rules: Rules,
        grant: Grant | None,
    ) -> Lot:
        """A new lot; who has a debt pays it with `repay` afterwards."""
        expires_at = self.ends(available_at, rules.expiry_days)
        lot = self.lot(person, source, points, available_at, expires_at, grant)
        person.move("issued", "pending" if lot.is_pending else "available", points)
        return lot

    def award(
        self, person: Person, source: str, points: int, at: datetime, rules: Rules, grant: Grant
    ) -> None:
        """Points for anything but an order."""
        grant.given += points
        since = at.astimezone(UTC) + timedelta(days=rules.pending_days)  # days of 24 hours
        lot = self.earn(person, source, points, since, rules, grant)
        if not lot.is_pending:
            person.repay(points, [lot])

    def take_back(
        self, grant: Grant, person: Person, points: int, fresh: list[Lot] | None = None
    ) -> None:
        """What of a grant is asked back, as far as today's policy takes it; `fresh` are lots that
        nobody could have spent yet.
        """
        grant.asked += points
        gone = min(points, grant.lapsed)
        grant.lapsed -= gone
        rest = points - gone
        if fresh is not None:
            person.take(rest, among=fresh)
            is_pending = any(lot.is_pending for lot in fresh)
            person.move("pending" if is_pending else "available", "reversed", rest)
            return
        mine = [lot for lot in person.lots if lot.is_pending and lot.grant is grant]
        part = min(rest, sum(lot.remaining for lot in mine))
        person.take(part, among=mine)
        person.move("pending", "reversed", part)
        rest -= part
        if self.rules.clawback == "pending_only":
            grant.forgiven += rest
            return
        part = min(rest, person.figures["available"])
        person.take(part, first=grant)
        person.move("available", "reversed", part)
        if self.rules.clawback == "debt":
            person.move("debt", "reversed", rest - part)
        else:
            grant.forgiven += rest - part
            grant.unmet += rest - part

    def adjust(self, customer: str, source: str, points: int) -> bool:
        person = self.people.get(customer)
        if person is None or person.kept or person.figures["available"] + points < 0:
            return False
        if points > 0:
            lot = self.earn(person, source, points, self.now, self.rules, None)
            person.repay(points, [lot])
        else:
            person.take(-points)
            person.move("available", "reversed", -points)
        return True

    def merge_points(self, gone: Person, kept: Person) -> None:
        kept.lots = sorted([*kept.lots, *gone.lots], key=lambda lot: lot.number)
        gone.lots = []
        gone.kept = kept
        for name in FIGURES:
            points, gone.figures[name] = gone.figures[name], 0
            kept.figures[name] += points
            gone.has_ledger = gone.has_ledger or bool(points)
            kept.has_ledger = kept.has_ledger or bool(points)
        released = [lot for lot in kept.lots if not lot.is_pending]
        kept.repay(kept.figures["available"], released)

    def pass_points(self) -> None:
        """What time does to lots until now."""
        for person in self.people.values():
            for lot in person.lots:
                if lot.is_pending and lot.remaining and lot.available_at <= self.now:
                    lot.is_pending = False
                    person.move("pending", "available", lot.remaining)
                    person.repay(lot.remaining, [lot])
            for lot in person.lots:
                is_due = lot.expires_at is not None and lot.expires_at <= self.now
                if is_due and lot.remaining and not lot.is_pending:
                    person.move("available", "expired", lot.remaining)
                    if lot.grant is not None:
                        lot.grant.lapsed += lot.remaining
                    lot.remaining = 0
