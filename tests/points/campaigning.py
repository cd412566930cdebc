"""Campaigns in a random history: told to the service, and to the model."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import strategies as st

from tests.points.earning.campaigns.told import campaign, stacks, told
from tests.points.model import Model
from tests.points.model_bonuses import Campaign
from tests.points.webhooks import tell_facts
from tests.points.world import now

PAST = timedelta(hours=1)  # nothing happens in the future, and all of an order at its own second
campaign_steps = (
    st.tuples(
        st.just("campaign"),
        st.sampled_from(["multiply", "multiply", "add"]),
        st.sampled_from(["2", "1.5", "3"]),
        st.sampled_from(["", "", "101"]),
        st.none() | st.integers(1, 60),
        st.none() | st.integers(1, 90),
    ),
    st.tuples(st.just("stack"), st.sampled_from(["best_of", "add", "multiply"])),
)


class Campaigning:
    """What a history does with campaigns."""

    shop: str
    model: Model
    keys: Iterator[int]

    async def campaign(
        self, effect: str, value: str, product: str, cap: int | None, budget: int | None
    ) -> None:
        """One more that runs from now on, as far as orders are concerned."""
        name, at = str(next(self.keys)), now() - PAST
        points = str(int(Decimal(value) * 10))
        one = campaign(
            name,
            campaign_id=name,
            effect=effect,
            value=points if effect == "add" else value,
            scope="products" if product else "all",
            ids=[product] if product else [],
            cap=cap,
            budget=budget,
        )
        await tell_facts(*told(one, at=at, shop=self.shop))
        self.model.shop.campaigns.append(
            Campaign(name, effect, Fraction(one.value), product, cap, budget, at)
        )

    async def stack(self, policy: str) -> None:
        policies, at = self.model.shop.policies, now() - PAST
        await tell_facts(stacks(policy, version=len(policies) + 1, at=at, shop=self.shop))
        policies.append((at, policy))
