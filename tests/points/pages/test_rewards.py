"""The merchant's pages about rewards: found, made of each kind, edited, copied, switched."""

import pytest

from app.core import catalog
from app.points.rewards import reads
from app.points.rewards.rules import KINDS
from tests.admin.staff import text, value
from tests.points import world
from tests.points.tiers.world import tiers
from tests.points.world import ALICE

FIELDS = {"title": "Thanks", "cost": "100"}
OF_KIND = {
    "amount_off": {"amount_off": "5.00", "minimum": "20"},
    "percent_off": {"percent": "12.5", "combines_with": "order,shipping"},
    "free_shipping": {"combines_with": "order"},
    "free_product": {"amount_off": "18", "products": "gid://shopify/Product/11, 12 13"},
    "store_credit": {"amount_off": "7.50", "code_days": "90"},
    "gift_card": {"amount_off": "25", "code_days": "365", "on_unused": "give_back"},
}


async def made() -> list:
    return [one for one in await reads.rewards(ALICE) if one.title == "Thanks"]


@pytest.mark.parametrize("kind", KINDS)
async def test_one_of_each_kind_is_made_with_what_was_typed(alice, kind: str) -> None:
    page = await alice.get(f"/rewards/new?kind={kind}")
    typed = {**FIELDS, **OF_KIND[kind], "kind": kind, "icon": "🎁", "text": "For you"}
    answer = await alice.post("/rewards", **typed, key=value(page, "key"))
    assert answer.status_code == 200, text(answer)
    assert "Reward saved" in answer.headers["hx-toast"]
    (reward,) = await made()
    assert (reward.kind, reward.cost, reward.details.icon) == (kind, 100, "🎁")
    if kind == "free_product":
        assert reward.details.products == ["11", "12", "13"]
    edit = await alice.get(f"/rewards/{reward.id}")
    assert value(edit, "title") == "Thanks"
    for name in ("percent", "code_days", "minimum"):
        if name in OF_KIND[kind]:
            assert value(edit, name) == OF_KIND[kind][name]
    for rendering in ("", "native"):
        assert (await alice.get(f"/rewards/{reward.id}", rendering=rendering)).status_code == 200


async def test_the_first_page_asks_which_kind(alice) -> None:
    seen = text(await alice.get("/rewards/new"))
    for title in ("Amount off", "Percentage off", "Free shipping", "Free product", "Gift card"):
        assert title in seen


async def test_a_free_product_with_a_purchase_needs_no_amount(alice) -> None:
    typed = {
        **FIELDS,
        "kind": "free_product",
        "products": "11",
        "bought": "https://x/collections/7",
    }
    answer = await alice.post("/rewards", **typed)
    assert answer.status_code == 422
    assert "numbers of collections" in text(answer)
    answer = await alice.post("/rewards", **{**typed, "bought": "7"})
    assert answer.status_code == 200, text(answer)
    assert "One of 1 products, with a purchase" in text(answer)
    (reward,) = await made()
    assert (reward.details.bought, reward.amount_off) == (["7"], 0)
    edit = await alice.get(f"/rewards/{reward.id}")
    assert value(edit, "bought") == "7"


async def test_products_that_are_not_in_the_shop_are_named(alice, monkeypatch) -> None:
    async def call(_client, _config, _shop, _document, variables):
        mug = "gid://shopify/Product/11"
        return {"nodes": [{"id": mug, "title": "Mug"} if mug in variables["ids"] else None]}

    monkeypatch.setattr(catalog.admin_api, "call", call)
    typed = {**FIELDS, "kind": "free_product", "amount_off": "5", "products": "11, 12"}
    answer = await alice.post("/rewards", **typed)
    assert answer.status_code == 422
    assert "Product 12 is not in this shop (any more)." in text(answer)
    assert await made() == []
    assert (await alice.post("/rewards", **{**typed, "products": "11"})).status_code == 200


async def test_shoppers_may_choose_how_many_points(alice) -> None:
    typed = {
        **FIELDS,
        "kind": "store_credit",
        "costing": "choose",
        "points_per_unit": "20",
        "unit": "1",
        "least": "40",
        "most": "1000",
        "step": "20",
        "code_days": "365",
    }
    answer = await alice.post("/rewards", **typed)
    assert answer.status_code == 200, text(answer)
    assert "$1.00 for each 20 points" in text(answer)
    assert "40 to 1,000 points" in text(answer)
    (reward,) = await made()
    assert reward.details.choose.least == 40
    answer = await alice.post("/rewards", **{**typed, "least": "50"})
    assert answer.status_code == 422
    assert "multiple of 20" in text(answer)
    assert value(answer, "least") == "50"


async def test_days_are_those_of_the_shop_and_the_last_one_is_whole(alice) -> None:
    await alice.get("/")
    days = {"starts_on": "2027-03-01", "ends_on": "2027-03-31"}
    await alice.post("/rewards", **FIELDS, kind="amount_off", amount_off="5", **days)
    (reward,) = await made()
    assert reward.details.starts_at.isoformat() == "2027-02-28T23:00:00+00:00"
    assert reward.details.ends_at.isoformat() == "2027-03-31T22:00:00+00:00"
    edit = await alice.get(f"/rewards/{reward.id}")
    assert {name: value(edit, name) for name in days} == days
    assert "Planned" in text(await alice.get("/rewards"))


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({"cost": "0"}, "cost", "at least 1"),
        ({"kind": "percent_off", "percent": "101"}, "percent", "up to 100"),
        ({"starts_on": "2027-03-02", "ends_on": "2027-03-01"}, "ends_on", "before it starts"),
        ({"starts_on": "tomorrow"}, "starts_on", "Please give a day"),
        ({"minimum": "a lot"}, "minimum", "Please give a number"),
        ({"products": "mug"}, "products", "numbers of products"),
        ({"code_days": "9999"}, "code_days", "3,650 at most"),
    ],
)
async def test_what_cannot_be_is_told_and_what_was_typed_stays(
    alice, typed, field, sentence
) -> None:
    whole = {**FIELDS, "kind": "amount_off", "amount_off": "5", **typed}
    answer = await alice.post("/rewards", **whole)
    assert answer.status_code == 422
    assert sentence in text(answer)
    assert value(answer, field) == typed[field]
    assert await made() == []


async def test_the_list_is_searched_and_filtered(alice) -> None:
    await alice.get("/")
    await alice.post("/rewards", title="Crème", cost="9", kind="free_shipping")
    assert "Crème" in text(await alice.get("/rewards?q=creme"))
    assert "30.00 off" not in text(await alice.get("/rewards?q=creme"))
    assert "30.00 off" not in text(await alice.get("/rewards?kind=free_shipping"))
    assert "None of your 3 rewards matches" in text(await alice.get("/rewards?state=over"))


async def test_a_copy_is_made_once_and_is_off(alice) -> None:
    await alice.post("/rewards", **FIELDS, kind="gift_card", amount_off="10")
    (reward,) = await made()
    for _ in range(3):
        await alice.post(f"/rewards/{reward.id}/copy", key="the-same-key")
    copies = [one for one in await reads.rewards(ALICE) if one.title == "Thanks (copy)"]
    assert [(one.is_active, one.details, one.kind) for one in copies] == [
        (False, reward.details, "gift_card")
    ]


async def test_without_rewards_the_page_teaches_the_first(alice) -> None:
    await alice.get("/")
    await world.one("DELETE FROM rewards WHERE shop = $1 RETURNING 1", ALICE)
    assert "A reward says what they buy" in text(await alice.get("/rewards"))


async def test_a_reward_of_another_shop_is_not_there(alice, charlie) -> None:
    await alice.post("/rewards", **FIELDS, kind="gift_card", amount_off="10")
    (reward,) = await made()
    for answer in (
        await charlie.get(f"/rewards/{reward.id}"),
        await charlie.post(f"/rewards/{reward.id}/copy"),
        await charlie.post(f"/rewards/{reward.id}", **FIELDS, kind="gift_card", amount_off="10"),
    ):
        assert answer.status_code == 404


async def test_a_reward_is_for_a_tier_and_those_above_it(alice) -> None:
    await alice.get("/")
    await tiers()
    await alice.post("/rewards", **FIELDS, kind="gift_card", amount_off="10", tier="silver")
    (reward,) = await made()
    assert reward.details.tiers == ["silver", "gold"]
    edit = await alice.get(f"/rewards/{reward.id}", rendering="native")
    assert '<option value="silver" selected>Silver and above' in edit.text
    whole = {**FIELDS, "kind": "gift_card", "amount_off": "10", "tier": "platinum"}
    answer = await alice.post("/rewards", **whole)
    assert answer.status_code == 422
    assert "not there any more" in text(answer)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            {"kind": "amount_off", "amount_off": "5", "minimum": "20", "on_return": "whole"},
            (
                "100 points give $5.00 off the order. For every member, as often as points last, "
                "for orders of $20.00 or more. The code can be used for ever. The points come back "
                "when the order is cancelled or wholly refunded, to expire when they would have."
            ),
        ),
        (
            {"kind": "percent_off", "percent": "12.5", "products": "11", "per_customer": "2"}
            | {"code_days": "30", "on_unused": "give_back", "grace_days": "14"}
            | {"on_return": "share", "combines_with": "order,product,shipping"},
            (
                "100 points give 12.5% off certain products. For every member, at most 2 times, "
                "together with all other discounts. The code can be used for 30 days; if it is "
                "not, the points come back, and can be spent for 14 days at least. When some of "
                "the order comes back, so does that share of the points, and can be spent for 14 "
                "days at least."
            ),
        ),
        (
            {"kind": "free_product", "products": "11 12", "bought": "7", "cost": "1"}
            | {"on_return": "never", "starts_on": "2031-05-03", "ends_on": "2031-05-09"},
            (
                "1 point gives one of the products free when something of the named collections is "
                "bought with it. For every member, as often as points last, from 3 May 2031 on, "
                "until 9 May 2031. The code can be used for ever. Points of a code that was used "
                "stay spent, also when the order comes back."
            ),
        ),
        (
            {"kind": "store_credit", "costing": "choose", "points_per_unit": "20", "unit": "1"}
            | {"least": "40", "most": "1000", "step": "20", "code_days": "365"},
            (
                "40 points give $2.00 of store credit, up to 1,000 for $50.00 of store credit, in "
                "steps of 20. For every member, as often as points last. It can be used for 365 "
                "days; if it is not, the points stay spent."
            ),
        ),
        (
            {"kind": "gift_card", "amount_off": "0"},
            "Not complete yet: Please give an amount above 0 and up to 100,000.",
        ),
    ],
)
async def test_the_form_says_what_it_comes_to_while_it_is_filled_in(
    alice, typed: dict[str, str], said: str
) -> None:
    assert text(await alice.get("/rewards/sentence", **FIELDS | {"title": ""} | typed)) == said


async def test_a_reward_says_under_its_form_what_it_comes_to(alice) -> None:
    typed = {**FIELDS, **OF_KIND["gift_card"], "kind": "gift_card"}
    await alice.post("/rewards", **typed)
    (reward,) = await made()
    assert "100 points give a gift card of $25.00." in text(
        await alice.get(f"/rewards/{reward.id}")
    )


async def test_a_reward_for_a_tier_names_the_lowest_that_may(alice) -> None:
    await tiers()
    typed = {**FIELDS, "kind": "free_shipping", "tier": "silver"}
    said = text(await alice.get("/rewards/sentence", **typed))
    assert "100 points give free shipping. For members in Silver or above" in said
