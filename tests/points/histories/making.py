"""What happens in a shop, made up from a number: the same number makes the same history."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from random import Random
from typing import Any

from tests.points.histories.model.books import Rules
from tests.points.histories.model.rewards import Reward
from tests.points.histories.model.tiers import Scheme
from tests.points.histories.model.ways import Way
from tests.points.lives import Life, life
from tests.points.tiers.model import Settings

Step = tuple[Any, ...]
CUSTOMERS = ("7001", "7002", "7003")
TIERS = ("low", "middle", "high")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")
ORDERS, STEPS = 5, (20, 40)
TAGS = ("vip", "press")
SEGMENTS = ("new", "loyal", "lost")
AUDIENCES = [("tiers", "middle"), ("tags", TAGS[0]), ("segments", SEGMENTS[1])]
KINDS = ("amount_off", "percent_off", "free_shipping", "free_product", "store_credit", "gift_card")
ACTIONS = ("review", "visit")
FOLLOWED = ("one", "two")
COUNTING = ("first_order", "nth_order", "goal_order", "goal_total", "goal_total")
SHORT, LONG = timedelta(seconds=7), timedelta(minutes=6)


@dataclass
class History:
    number: int
    zone: str
    orders: list[Life]
    rules: Rules
    rewards: list[Reward]
    steps: list[Step] = field(default_factory=list)


def make(number: int) -> History:
    chance = Random(number)
    found = History(
        number,
        chance.choice(ZONES),
        [life(chance, CUSTOMERS) for _ in range(ORDERS)],
        _rules(chance),
        [_reward(chance, kind) for kind in KINDS],
    )
    found.rewards.append(_reward(chance, "amount_off", tiers=(chance.choice(TIERS),)))
    if chance.random() < 0.7:
        found.steps.append(("tiers", _scheme(chance)))
    for what in ("account", "newsletter", "birthday"):
        if chance.random() < 0.4:
            found.steps.append(("way", what, _way(chance, what)))
    for _ in range(chance.randint(*STEPS)):
        found.steps += chance.choices(MAKERS, WEIGHTS)[0](chance)
    return found


def times(number: int) -> list[timedelta]:
    """How much time passes before each step, the same for all histories that run together."""
    chance = Random(f"times {number}")
    some = [SHORT] * 9 + [LONG, timedelta(hours=5)] + [timedelta(days=d) for d in (1, 1, 3, 8)]
    rare = [*some, timedelta(days=40), timedelta(days=150)]
    return [chance.choice(rare if chance.random() < 0.12 else some) for _ in range(400)]


def _rules(chance: Random) -> Rules:
    return Rules(
        chance.choice(["1", "0.37", "2.5", "1", "0"]),
        chance.choice(["down", "nearest", "up"]),
        chance.choice([0, 0, 5]),
        chance.choice([None, 3, 10, 60]),
        chance.choice(["pending_only", "within_balance", "debt", "debt"]),
        chance.choice(["live"] * 8 + ["paused"]),
    )


def _reward(chance: Random, kind: str, tiers: tuple[str, ...] = ()) -> Reward:
    is_code = kind not in {"store_credit", "gift_card"}
    days = chance.choice([None, 3, 20]) if kind != "store_credit" else 20
    can_choose = kind in {"amount_off", "percent_off", "gift_card"} and not tiers
    choose = (4, 40, 2) if can_choose and chance.random() < 0.5 else None
    return Reward(
        kind,
        choose[0] if choose else chance.choice([2, 3, 20]),
        choose,
        chance.choice(["whole", "share", "share", "never"]),
        "give_back" if is_code and days and chance.random() < 0.6 else "keep",
        days,
        chance.choice([0, 0, 7]),
        chance.choice([None, None, 2]),
        tiers,
    )


def _scheme(chance: Random) -> Scheme:
    measure = chance.choice(["points", "spend", "orders"])
    low, size = chance.choice([0, 1]), {"points": 20, "spend": 30_000_000, "orders": 1}[measure]
    thresholds = (low * size, (low + 1) * size, (low + 2) * size)
    settings = Settings(
        chance.choice(["year", "rolling", "rolling", "forever"]),
        chance.choice([7, 30, 90]),
        chance.choice(["cycle", "one", "balance", "never"]),
        chance.choice([0, 5]),
        thresholds,
        date.min,
    )
    factors = (Fraction(1), Fraction(5, 4), chance.choice([Fraction(2), Fraction(5, 4)]))
    rewards = (None, *(chance.choice([None, place]) for place in (0, 4)))
    return Scheme(measure, settings, tuple(zip(TIERS, factors, rewards, strict=True)))


def _way(chance: Random, what: str) -> Way:
    kind, points = what.partition("-")[0], chance.choice([1, 5, 30])
    per, times_ = "once", 1
    if kind == "action" and chance.random() < 0.7:
        per, times_ = chance.choice(["day", "week", "month", "year"]), chance.choice([1, 2])
    return Way(kind, points, per, times_, chance.random() < 0.85)


def _events(chance: Random) -> list[tuple[int, int]]:
    return [(chance.randrange(ORDERS), chance.randrange(16)) for _ in range(chance.randint(1, 4))]


def _tell(chance: Random) -> list[Step]:
    """Any webhooks of any orders, perhaps with facts of ours that were told before or not yet."""
    more = [chance.randrange(100) for _ in range(chance.choice([0, 0, 0, 1, 3]))]
    return [("tell", _events(chance), more)]


def _redeem(chance: Random) -> list[Step]:
    points = chance.choice([4, 4, 6, 10, 38, 5])
    return [("redeem", chance.choice(CUSTOMERS), chance.randrange(7), points)]


def _made(chance: Random) -> list[Step]:
    how = chance.choice(["made"] * 4 + ["refused", "lost", "silent"])
    return [("attempt", chance.randrange(10), how)]


def _buy(chance: Random) -> list[Step]:
    """Somebody has an order, redeems, and uses the code for it, or for another one."""
    order, place = chance.randrange(ORDERS), chance.randrange(7)
    return [
        ("tell", [(order, 0), (order, 1)], []),
        ("redeem", order, place, chance.choice([4, 6, 10])),
        ("attempt", -1, "made"),
        ("use", -1, chance.choice([order, order, order, chance.randrange(ORDERS)])),
        ("tell", [(order, chance.randrange(16)) for _ in range(chance.randint(1, 3))], []),
    ]


def _use(chance: Random) -> list[Step]:
    return [("use", chance.randrange(10), chance.randrange(ORDERS))]


def _cancel(chance: Random) -> list[Step]:
    return [("cancel", chance.randrange(10))]


def _adjust(chance: Random) -> list[Step]:
    points = chance.choice([-1, 1]) * chance.randint(1, 40)
    return [("adjust", chance.choice(CUSTOMERS), points)]


def _campaign(chance: Random) -> list[Step]:
    """A new one, or another version; `trigger` decides what it can do."""
    trigger = chance.choice(["order"] * 6 + ["account", "birthday", *COUNTING])
    can_multiply = trigger not in {"account", "birthday", "goal_total"}
    effect = chance.choice(["multiply", "multiply", "add"]) if can_multiply else "add"
    value = Fraction(chance.choice(["2", "1.5", "3"]))
    return [
        (
            "campaign",
            chance.randrange(3),
            chance.choice(["live"] * 5 + ["paused", "ended"]),
            (chance.choice([0, -3, 1]), chance.choice([None, None, 4, 20])),
            trigger,
            effect,
            value * 10 if effect == "add" else value,
            "" if trigger in {"account", "birthday"} else chance.choice(["", "", "101"]),
            chance.choice([None, chance.randint(1, 60)]),
            chance.choice([None, chance.randint(1, 90)]),
            chance.choice([("everyone", "")] * 4 + AUDIENCES),
            (chance.choice([2, 2, 3]), chance.choice([1_000, 3_000, 5_000, 12_345])),
            _is_told(chance),
        )
    ]


def _stack(chance: Random) -> list[Step]:
    most = chance.choice([None, None, Fraction(5, 2)])
    return [("stack", chance.choice(["best_of", "add", "multiply"]), most, _is_told(chance))]


def _is_told(chance: Random) -> bool:
    return chance.random() < 0.7


def _tag(chance: Random) -> list[Step]:
    who, name = chance.choice(CUSTOMERS), chance.choice(TAGS)
    return [("tag", who, name, chance.random() < 0.6, _is_told(chance))]


def _segment(chance: Random) -> list[Step]:
    return [("segment", chance.choice(CUSTOMERS), chance.choice(SEGMENTS), _is_told(chance))]


def _rules_edit(chance: Random) -> list[Step]:
    return [("rules", _rules(chance))]


def _tiers_edit(chance: Random) -> list[Step]:
    return [("tiers", _scheme(chance))]


def _way_edit(chance: Random) -> list[Step]:
    singles = ["account", "newsletter", "birthday"]
    others = [f"action-{name}" for name in ACTIONS] + [f"follow-{name}" for name in FOLLOWED]
    what = chance.choice(singles + others)
    return [("way", what, _way(chance, what))]


def _wish(chance: Random) -> list[Step]:
    days = chance.choice([0, 0, 2, 30])
    kind = chance.choice(["created", "consented", "left"])
    return [("wish", kind, chance.choice(CUSTOMERS), days, _is_told(chance))]


def _claim(chance: Random) -> list[Step]:
    names = [f"action-{name}" for name in ACTIONS * 2] + [f"follow-{name}" for name in FOLLOWED]
    return [("claim", chance.choice(names), chance.choice(CUSTOMERS), chance.random() < 0.3)]


def _birthday(chance: Random) -> list[Step]:
    return [("birthday", chance.choice(CUSTOMERS), chance.choice([0, 0, 1, 3, 20, 366, -2]))]


def _refer(chance: Random) -> list[Step]:
    is_done = chance.random() < 0.6
    promise = (chance.choice([0, 12, 50]), chance.choice([None, None, 1, 5]))
    return [("refer", chance.randrange(3), is_done, promise, _is_told(chance))]


def _merge(chance: Random) -> list[Step]:
    gone, kept = chance.sample(CUSTOMERS, 2)
    return [("merge", gone, kept, _is_told(chance))]


def _delete(chance: Random) -> list[Step]:
    return [("delete", chance.choice(CUSTOMERS), _is_told(chance))]


def _reward_edit(chance: Random) -> list[Step]:
    place = chance.randrange(6)
    return [("reward", place, _reward(chance, KINDS[place]), chance.random() < 0.85)]


MAKERS = {
    _tell: 20,
    _redeem: 7,
    _made: 6,
    _buy: 7,
    _use: 3,
    _cancel: 2,
    _adjust: 4,
    _campaign: 6,
    _stack: 2,
    _tag: 2,
    _segment: 2,
    _rules_edit: 3,
    _tiers_edit: 2,
    _way_edit: 3,
    _wish: 4,
    _claim: 4,
    _birthday: 2,
    _refer: 5,
    _merge: 1,
    _delete: 1,
    _reward_edit: 1,
}
MAKERS, WEIGHTS = list(MAKERS), list(MAKERS.values())
