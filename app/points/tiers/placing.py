"""Where locked members stand, found anew from all that counts of them: by orders that move them
within the posting, by time, by new settings, by a merge.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from app import calendar
from app.flow import event as envelope
from app.own_facts import TierChanged
from app.points.ledger.posting import Batch
from app.points.tiers import moments, rules, wording
from app.points.tiers.amounts import Case
from app.points.tiers.rules import Counted, Placed
from app.telemetry import traces
from app.writes import Writes

STANDING = {
    "shop": "text",
    "member_id": "bigint",
    "tier_id": "text",
    "version": "int",
    "have": "bigint",
    "peak": "bigint",
    "changed_at": "timestamptz",
    "due_at": "timestamptz",
    "total": "bigint",
    "first_on": "date",
    "last_at": "timestamptz",
}
_SET = ", ".join(f"{one} = excluded.{one}" for one in STANDING if one not in {"shop", "member_id"})
UPSERT = f"""
INSERT INTO tier_standings ({", ".join(STANDING)}) SELECT {", ".join(STANDING)} FROM {{fresh}}
ON CONFLICT (shop, member_id) DO UPDATE SET {_SET}
"""
NO_SUMS = (None, None, None)  # what counts is to be added up
CHANGE = {
    "shop": "text",
    "member_id": "bigint",
    "at": "timestamptz",
    "before_id": "text",
    "tier_id": "text",
    "tier": "text",
    "version": "int",
    "cause": "text",
    "why": "text",
    "recorded_at": "timestamptz",
}

SINCE_EVER = datetime(1970, 1, 1, tzinfo=UTC)  # since when who never moved is where they are


class Cause(NamedTuple):
    """Why somebody is placed: a kind of `tier_changes.cause`, what to call it, and its trace."""

    kind: str
    what: str = ""
    trace: str = ""


class Moved(NamedTuple):
    """Somebody who came into another tier: from where, to where, since when and why."""

    case: Case
    before_id: str
    tier_id: str
    is_up: bool
    at: datetime
    cause: Cause
    why: str


@dataclass(slots=True)
class Placing:
    """What placing members writes: their standings, and changes with their facts."""

    now: datetime
    standings: list[tuple[Any, ...]] = field(default_factory=list)
    firsts: list[tuple[Any, ...]] = field(default_factory=list)  # of those who had none
    changes: list[tuple[Any, ...]] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)

    def gather(self, writes: Writes) -> None:
        if self.standings:
            fresh = writes.rows("fresh", STANDING, self.standings)
            writes.add(UPSERT.format(fresh=fresh))
        writes.insert("tier_standings", STANDING, self.firsts)
        writes.insert("tier_changes", CHANGE, self.changes)

    def place(self, case: Case, cause: Cause, since: datetime | None = None) -> Moved | None:
        """Place one member; the change, if it is one. `since` is when the settings changed."""
        scheme = case.of.scheme
        today = self.now.astimezone(calendar.zone(case.timezone)).date()
        counted = case.counted()
        placed = rules.place(scheme, counted, today)
        moved = None
        before_id = case.of.lowest if case.tier_id is None else case.tier_id
        if case.tier_id is None and not counted.days:
            return None  # they are where everybody is who has nothing
        tier_id, changed_at = case.of.at(placed.level), case.changed_at
        if tier_id != before_id:
            is_up = placed.level > scheme.level_of(before_id)
            cause = self._cause(case, cause, is_up=is_up)
            at = since or _since(case, counted, placed, today, is_up, cause) or self.now
            at = min(self.now, max(at, changed_at) if changed_at else at)
            moved = self._move(case, before_id, placed, at, cause, is_up=is_up)
            changed_at = at
        due_at = None
        if placed.look_on is not None and scheme.is_on:
            due_at = calendar.start_of_day(placed.look_on, case.timezone)
        of_all = self.firsts if case.tier_id is None else self.standings
        of_all.append(
            (
                case.shop,
                case.member_id,
                tier_id,
                case.of.version,
                placed.have,
                placed.peak,
                changed_at or SINCE_EVER,
                due_at,
                *case.sums(),
            )
        )
        return moved

    def wait(self, case: Case) -> None:
        """Somebody whose points are on hold stays where they are, and is looked at afterwards."""
        tier_id = case.of.lowest if case.tier_id is None else case.tier_id
        since = case.changed_at or SINCE_EVER
        of = (tier_id, case.of.version, 0, 0, since, self.now, *NO_SUMS)
        self.standings.append((case.shop, case.member_id, *of))

    def _cause(self, case: Case, cause: Cause, *, is_up: bool) -> Cause:
        """What is told late of an order can bring one up or down; and any order may find what time
        had done already.
        """
        if cause.kind not in {"order", "refund"}:
            return cause
        is_due = case.due_at is not None and case.due_at <= self.now
        if is_up:
            return cause._replace(kind="order")
        is_time = is_due or cause.kind == "order"
        return cause._replace(kind="time") if is_time else cause

    def _move(
        self,
        case: Case,
        before_id: str,
        placed: Placed,
        at: datetime,
        cause: Cause,
        *,
        is_up: bool,
    ) -> Moved:
        tier_id = case.of.at(placed.level)
        why = wording.why(case.of.scheme, placed, cause.kind, cause.what, is_up=is_up)
        tier = case.of.tier(tier_id)
        name = tier.name if tier else ""
        self.changes.append(
            (
                case.shop,
                case.member_id,
                at,
                before_id,
                tier_id,
                name,
                case.of.version,
                cause.kind,
                why,
                self.now,
            )
        )
        moved = Moved(case, before_id, tier_id, is_up, at, cause, why)
        self.moved.append(moved)
        return moved


def tell(batch: Batch, moved: Iterable[Moved]) -> None:
    """Facts about those locked members who moved, with the commit of the batch."""
    for one in moved:
        before, after = (one.case.of.tier(tier_id) for tier_id in (one.before_id, one.tier_id))
        told = TierChanged(
            batch.accounts[one.case.member_id].customer_id,
            one.before_id,
            before.name if before else "",
            one.tier_id,
            after.name if after else "",
            one.why,
            one.at,
        )
        shop, trace = one.case.shop, traces.onward(one.cause.trace)
        batch.facts.append(envelope.new("tier.changed", shop, shop, told, trace=trace))


def _since(
    case: Case, counted: Counted, placed: Placed, today: date, is_up: bool, cause: Cause
) -> datetime | None:
    """Since when somebody is where they are placed: the moment of what brought them there, or the
    beginning of the day on which time did; None for now.
    """
    scheme = case.of.scheme
    if is_up:
        first = date.min
        if case.changed_at is not None:
            first = case.changed_at.astimezone(calendar.zone(case.timezone)).date()
        day = moments.reached_on(scheme, counted, placed.level, first)
        return case.lasts[day] if day else None
    if cause.kind != "time":
        return None
    return calendar.start_of_day(moments.fell_on(scheme, counted, today), case.timezone)
