"""What a merchant sets: the rules, tiers and ways to earn, for the service and the model."""

from typing import Any

from app.points.tiers import actions as tiers
from app.points.tiers import rules as tier_rules
from app.points.ways import actions as ways
from tests.points import world
from tests.points.histories.clock import Clock
from tests.points.histories.making import History
from tests.points.histories.model import Model
from tests.points.histories.model.ways import Way


class Settings:
    """Each as its page saves it, but for the rules, which are put in force directly."""

    shop: str
    history: History
    clock: Clock
    model: Model
    reward_ids: list[int]

    def __init__(self) -> None:
        self.way_ids: dict[str, str] = {}

    async def rules(self, rules: Any) -> None:
        await world.program(self.shop, timezone=self.history.zone, **vars(rules))
        self.model.versions.append((self.clock.at, rules))

    async def tiers(self, scheme: Any) -> None:
        settings = scheme.settings
        made = [
            tier_rules.Tier(
                name,
                name,
                threshold,
                int(factor * 10_000),
                reward_id="" if place is None else str(self.reward_ids[place]),
            )
            for (name, factor, place), threshold in zip(
                scheme.tiers, settings.thresholds, strict=True
            )
        ]
        await tiers.save(
            self.shop,
            tier_rules.Scheme(
                scheme.measure,
                settings.period,
                settings.days,
                settings.policy,
                settings.grace,
                made,
            ),
            "Alice",
        )
        self.model.save_tiers(scheme)

    async def way(self, what: str, way: Way) -> None:
        kind, _, name = what.partition("-")
        fields: dict[str, Any] = {"title": what, "points": way.points}
        fields |= {"per": way.per, "times": way.times, "handle": name}
        fields["url"] = f"https://{name or 'x'}.example/us"
        known = self.way_ids.get(what)
        if known is None:
            made = await ways.make(self.shop, kind, fields, "Alice", is_active=way.is_active)
            self.way_ids[what] = str(made.id)
        else:
            await ways.change(self.shop, known, fields, "Alice")
            await ways.switch(self.shop, known, "Alice", is_active=way.is_active)
        self.model.set_way(self._what(what), way)

    def _what(self, what: str) -> str:
        kind, _, name = what.partition("-")
        return f"{kind}-{self.way_ids[what]}" if name else what
