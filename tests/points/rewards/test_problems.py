"""What is wrong with a reward is told in sentences, beside its field."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.points.rewards import rules
from app.points.rewards.problems import problems
from app.points.rewards.rules import KINDS, Choose, Details, Offered, Wanted

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
CHOOSE = {"points_per_unit": 100, "unit": "1", "least": 100, "most": 1000, "step": 100}
OFFERED = Offered("USD", {"1": "Gold"}, {"CHAMPIONS": "Champions"})


def found(
    kind: str = "amount_off", cost: int | None = 100, amount: str | None = "5", **details: Any
) -> dict[str, str]:
    choose, title = details.pop("choose", None), details.pop("title", "A reward")
    offered = OFFERED._replace(currency=details.pop("currency", "USD"))
    wanted = Details(
        choose=Choose(**{**CHOOSE, **choose}) if choose is not None else None, **details
    )
    worth = None if amount is None else Decimal(amount)
    return problems(Wanted(title, kind, cost, worth, wanted), offered)


@pytest.mark.parametrize("kind", KINDS)
def test_a_plain_reward_of_each_kind_has_none(kind: str) -> None:
    more: dict[str, Any] = {
        "percent_off": {"percent": "100"},
        "free_product": {"products": ["1", "2"]},
        "store_credit": {"code_days": 365},
    }.get(kind, {})
    assert found(kind, **more) == {}


@pytest.mark.parametrize(
    ("field", "sentence", "what"),
    [
        ("cost", "at least 1", {"cost": 0}),
        ("cost", "at least 1", {"cost": None}),
        ("amount_off", "above 0", {"amount": "0"}),
        ("amount_off", "above 0", {"amount": None}),
        ("amount_off", "at most 2,000 USD", {"kind": "gift_card", "amount": "2000.01"}),
        ("percent", "up to 100", {"kind": "percent_off", "percent": "100.01"}),
        ("percent", "above 0", {"kind": "percent_off", "percent": "0"}),
        ("percent", "above 0", {"kind": "percent_off"}),
        ("minimum", "at least 5", {"minimum": "4.99"}),
        ("minimum", "no smaller coins", {"minimum": "500.50", "currency": "JPY"}),
        ("minimum", "no conditions", {"kind": "gift_card", "minimum": "10"}),
        ("products", "of which one is free", {"kind": "free_product"}),
        ("bought", "Only a free product", {"bought": ["1"]}),
        ("products", "whole order", {"kind": "free_shipping", "products": ["1"]}),
        ("products", "numbers of products", {"products": ["mug"]}),
        ("products", "at most 100", {"products": [str(n) for n in range(101)]}),
        ("collections", "either", {"products": ["1"], "collections": ["1"]}),
        (
            "combines_with",
            "cannot be made cheaper",
            {"kind": "free_shipping", "combines_with": ["shipping"]},
        ),
        ("combines_with", "Please choose among", {"combines_with": ["everything"]}),
        ("combines_with", "like money", {"kind": "gift_card", "combines_with": ["order"]}),
        ("code_days", "must end one day", {"kind": "store_credit"}),
        ("code_days", "from 1 to 3,650", {"code_days": 0}),
        ("per_customer", "from 1", {"per_customer": 0}),
        ("ends_at", "before it starts", {"starts_at": NOW, "ends_at": NOW}),
        ("ends_at", "before it starts", {"starts_at": NOW, "ends_at": NOW - timedelta(days=1)}),
        ("tiers", "not there any more", {"tiers": ["1", "2"]}),
        ("segments", "not there any more", {"segments": ["GONE"]}),
        ("on_unused", "when it ends", {"on_unused": "give_back"}),
        (
            "on_unused",
            "stays spent",
            {"kind": "store_credit", "code_days": 9, "on_unused": "give_back"},
        ),
        ("grace_days", "at most 3,650", {"grace_days": 3651}),
        ("icon", "https://", {"icon": "http://example.com/a-picture.png"}),
        ("icon", "no spaces or quotes", {"icon": "<script>"}),
        ("text", "at most 500", {"text": "x" * 501}),
        ("text", "cannot hold < or >", {"text": "<script>alert(1)</script>"}),
        ("title", "cannot hold < or >", {"title": "<script>alert(1)</script>"}),
        ("title", "at most 120", {"title": "x" * 121}),
        ("amount_off", "JPY has no smaller coins", {"amount": "5.50", "currency": "JPY"}),
        ("unit", "JPY has no smaller coins", {"choose": {"unit": "0.5"}, "currency": "JPY"}),
        ("points_per_unit", "cannot choose", {"kind": "free_shipping", "choose": {}}),
        ("points_per_unit", "at least 1", {"choose": {"points_per_unit": 0}}),
        ("unit", "above 0", {"choose": {"unit": "0"}}),
        ("least", "multiple of 100", {"choose": {"least": 150}}),
        ("step", "multiple of 100", {"choose": {"step": 50}}),
        ("most", "at least 100", {"choose": {"most": 50}}),
        ("most", "so many times 100 more", {"choose": {"most": 950}}),
        (
            "step",
            "larger step",
            {"choose": {"points_per_unit": 1, "least": 1, "step": 1, "most": 20_000}},
        ),
        ("most", "100% at most", {"kind": "percent_off", "choose": {"unit": "11"}}),
        ("most", "2,000 USD", {"kind": "gift_card", "choose": {"unit": "201"}}),
    ],
)
def test_what_cannot_be_is_said_where_it_is(
    field: str, sentence: str, what: dict[str, Any]
) -> None:
    problem = found(**what)
    assert sentence in problem.get(field, ""), problem
    assert problem[field][0].isupper()
    assert problem[field].endswith(".")


def test_a_dinar_has_a_thousand_parts_of_which_two_decimals_can_be_given() -> None:
    assert found(amount="0.75", currency="KWD") == {}
    assert found(amount="500", currency="JPY") == {}


def test_an_unknown_kind_is_asked_for() -> None:
    assert found("diamonds") == {"kind": "Please choose what shoppers get."}


@pytest.mark.parametrize(
    ("policy", "gone", "back"),
    [
        ("never", (1, 1), 0),
        ("whole", (1, 1), 100),
        ("whole", (999, 1000), 0),
        ("share", (1, 3), 33),
        ("share", (2, 3), 66),
        ("share", (3, 3), 100),
        ("share", (0, 1), 0),
    ],
)
def test_how_many_points_come_back(policy: str, gone: tuple[int, int], back: int) -> None:
    assert rules.to_return(100, policy, gone) == back
