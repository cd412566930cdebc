"""Answers of Shopify that nobody has seen, to who asks for a code: nothing is made twice, nothing
is lost, and what a shopper reads can be kept.
"""

from typing import Any

import pytest

from app import db
from app.points.ledger.audit import verify
from app.points.rewards import redemption
from tests.points.rewards.discounts import CLIENT, Shopify, hold, make_due
from tests.points.world import ALICE, figures, one

pytestmark = pytest.mark.usefixtures("stores")
ANSWER = "discountCodeBasicCreate"


def answers(shopify: Shopify, monkeypatch: pytest.MonkeyPatch, *told: Any) -> None:
    """The next creates are answered so, and make what `is_made` says."""
    kept = list(told)
    create = shopify.create

    async def answered(wanted: dict[str, Any]) -> Any:
        if not kept:
            return await create(wanted)
        is_made, answer = kept.pop(0)
        if is_made:
            await create(wanted)
        return {ANSWER: answer}

    monkeypatch.setattr(shopify, "create", answered)


@pytest.mark.parametrize("is_made", [True, False])
@pytest.mark.parametrize(
    "answer", [None, {}, {"codeDiscountNode": None}, {"codeDiscountNode": None, "userErrors": []}]
)
async def test_a_success_without_what_was_made_is_looked_for(
    stores: db.Stores, shopify: Shopify, monkeypatch: pytest.MonkeyPatch, answer: Any, is_made: bool
) -> None:
    held = await hold()
    answers(shopify, monkeypatch, (is_made, answer))
    assert (await redemption.complete(stores, CLIENT, held.id)).state == "held"
    assert await figures() == {"available": 150, "held": 100}
    await make_due()
    await redemption.sweep(stores, CLIENT)
    assert (await redemption.view(held.id)).state == "captured"
    assert len(shopify.discounts) == 1
    assert (await verify(ALICE)).problems == []


WORDS = {"message": "コードはすでに使用されています", "field": None}  # of a language we do not know


async def test_errors_without_a_code_after_a_lost_answer_find_what_was_made(
    stores: db.Stores, shopify: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await hold()
    shopify.lost_answers = 1
    await redemption.complete(stores, CLIENT, held.id)
    refused = {"codeDiscountNode": None, "userErrors": [WORDS]}
    answers(shopify, monkeypatch, (False, refused))
    await make_due()
    await redemption.sweep(stores, CLIENT)
    assert (await redemption.view(held.id)).state == "captured"
    assert await figures() == {"available": 150, "spent": 100}


@pytest.mark.parametrize(
    "message",
    [
        "コードはすでに使用されています",
        "a\u0000b",
        "\u202eabc",
        "<b>{{ shop }}</b>",
        "x" * 5_000,
        None,
    ],
)
async def test_whatever_shopify_says_the_points_are_back_at_once(
    stores: db.Stores, shopify: Shopify, message: str | None
) -> None:
    held = await hold()
    shopify.errors = [{"message": message, "code": None}]  # type: ignore[dict-item]
    released = await redemption.complete(stores, CLIENT, held.id)
    assert released.state == "released"
    assert len(released.message) < 400
    assert await figures() == {"available": 250}
    assert await one("SELECT count(*) FROM saga_steps WHERE step = 'release' AND state = 'done'")
