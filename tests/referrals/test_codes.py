"""A friend's code at Shopify: one, found again after a lost answer, switched off when blocked."""

from datetime import timedelta
from typing import Any

import pytest

from app.db import Stores
from app.errors import ConflictError, UnavailableError
from app.referrals.claims import codes, deciding, discounts
from app.referrals.orders import rewarding
from tests.points.rewards.discounts import CLIENT, Shopify
from tests.points.world import ALICE, now
from tests.referrals.world import (
    CAROL,
    claim,
    handle,
    link_of,
    offer,
    order,
    referral,
    told,
)


class Shop(Shopify):
    """With customers, by their addresses, and how often each ordered."""

    def __init__(self) -> None:
        super().__init__()
        self.ordered: dict[str, int] = {}

    async def call(
        self, client: Any, config: Any, shop: str, document: str, variables: dict[str, Any]
    ) -> Any:
        if document != "customer_by_email":
            return await super().call(client, config, shop, document, variables)
        number = self.ordered.get(variables["email"])
        found = None if number is None else {"id": "gid://1", "numberOfOrders": str(number)}
        return {"customerByIdentifier": found}


@pytest.fixture
def shopify(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Shop:
    stand_in = Shop()
    monkeypatch.setattr(discounts.admin_api, "call", stand_in.call)
    return stand_in


async def sweep(stores: Stores, minutes: float = 0) -> None:
    await codes.sweep(stores, CLIENT, now() + timedelta(minutes=minutes))


async def test_a_code_is_made_for_one_use_with_the_offer_of_its_claim(
    stores: Stores, shopify: Shop
) -> None:
    await offer(friend_kind="amount", friend_value=5, friend_minimum=20)
    code = await link_of(stores)
    await claim(stores, code)
    await offer(friend_value=50)
    await sweep(stores)
    again = await claim(stores, code)
    made: Any = shopify.discounts[again.code]["input"]
    assert made["usageLimit"] == 1
    assert made["customerGets"]["value"]["discountAmount"]["amount"] == "5.00"
    least = made["minimumRequirement"]["subtotal"]["greaterThanOrEqualToSubtotal"]
    assert least == "20.00"
    await sweep(stores, 60)
    assert shopify.calls == ["discount_create"]


async def test_a_code_whose_answer_was_lost_is_found_again(stores: Stores, shopify: Shop) -> None:
    await offer()
    await claim(stores, await link_of(stores))
    shopify.lost_answers = 1
    await sweep(stores)
    assert (await referral())["code_state"] == "making"
    await sweep(stores, 5)
    assert (await referral())["code_state"] == "made"
    assert len(shopify.discounts) == 1


async def test_a_code_that_is_made_and_not_shown_yet_is_waited_for(
    stores: Stores, shopify: Shop
) -> None:
    """Shopify's search comes after its writes: taken, and nowhere to be seen, is no refusal."""
    await offer()
    await claim(stores, await link_of(stores))
    shopify.lost_answers, shopify.not_shown = 1, 2
    await sweep(stores)
    await sweep(stores, 5)
    assert (await referral())["code_state"] == "making"
    await sweep(stores, 60)
    assert (await referral())["code_state"] == "made"
    assert len(shopify.discounts) == 1


async def test_while_shopify_is_away_the_code_waits_and_after_two_days_staff_is_told(
    stores: Stores, shopify: Shop
) -> None:
    await offer()
    await claim(stores, await link_of(stores))
    shopify.failures = [UnavailableError("away")] * 3
    await sweep(stores)
    await sweep(stores, 60)
    assert (await referral())["code_state"] == "making"
    await sweep(stores, 60 * 24 * 3)
    row = await referral()
    assert row["code_state"] == "refused"
    assert "two days" in row["code_reason"]


async def test_what_shopify_refuses_is_said_to_staff(stores: Stores, shopify: Shop) -> None:
    await offer()
    await claim(stores, await link_of(stores))
    shopify.errors = [{"message": "Value is \x00too big", "code": "INVALID"}]
    await sweep(stores)
    row = await referral()
    assert (row["code_state"], "Value is too big" in row["code_reason"]) == ("refused", True)


async def test_held_ones_get_no_code_until_staff_allow_them(stores: Stores, shopify: Shop) -> None:
    await offer()
    code = await link_of(stores)
    held = await claim(stores, code, "someone@mailinator.com")
    assert held.is_held
    await sweep(stores)
    assert shopify.calls == []
    assert await told("referral.created") == []
    await deciding.decide(ALICE, held.id, "allow", "I know her", "Alice")
    await sweep(stores, 1)
    assert (await claim(stores, code, "someone@mailinator.com")).code in shopify.discounts
    assert len(await told("referral.created")) == 1


async def test_blocking_switches_the_code_off_and_allowing_again_makes_another(
    stores: Stores, shopify: Shop
) -> None:
    await offer()
    code = await link_of(stores)
    made = await claim(stores, code)
    await sweep(stores)
    first = (await referral())["code"]
    await deciding.decide(ALICE, made.id, "block", "A coupon site", "Alice")
    await sweep(stores, 1)
    assert shopify.discounts[first]["codeDiscount"]["status"] == "EXPIRED"
    await deciding.decide(ALICE, made.id, "allow", "A mistake of mine", "Alice")
    await sweep(stores, 2)
    row = await referral()
    assert row["code_state"] == "made"
    assert row["code"] != first
    assert len(shopify.discounts) == 2


async def test_every_decision_can_be_undone_and_stays_written(
    stores: Stores, shopify: Shop
) -> None:
    await offer()
    made = await claim(stores, await link_of(stores))
    await handle(stores, order("1"))
    await rewarding.reward_due()
    await deciding.decide(ALICE, made.id, "block", "Looks odd", "Alice")
    await deciding.decide(ALICE, made.id, "block", "Looks odd", "Alice")
    assert (await referral())["state"] == "reversed"
    await deciding.decide(ALICE, made.id, "allow", "It was her sister", "Ann")
    await rewarding.reward_due(now() + timedelta(seconds=5))
    await rewarding.reward_due(now() + timedelta(seconds=9))
    assert (await referral())["state"] == "completed"
    ids = [one["referral_id"] for one in await told("referral.completed")]
    assert ids == [f"{made.id}", f"{made.id}-2"], "another reward, for the first was taken back"
    assert len(await told("referral.reversed")) == 1
    from app import db

    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT by, words FROM referral_events WHERE kind = 'decided' ORDER BY id"
        )
    assert [(row["by"], row["words"]) for row in rows] == [
        ("Alice", "Blocked: Looks odd"),
        ("Ann", "Allowed: It was her sister"),
    ]


async def test_a_friend_who_is_anothers_by_now_is_not_allowed_to_be_two_advocates(
    stores: Stores,
) -> None:
    await offer()
    blocked = await claim(stores, await link_of(stores))
    await deciding.decide(ALICE, blocked.id, "block", "Odd", "Alice")
    await claim(stores, await link_of(stores, CAROL))
    with pytest.raises(ConflictError):
        await deciding.decide(ALICE, blocked.id, "allow", "Was fine", "Alice")
    assert (await referral())["verdict"] == "block"


async def test_a_customer_of_before_the_app_is_found_at_shopify_and_gets_no_code(
    stores: Stores, shopify: Shop
) -> None:
    await offer()
    code = await link_of(stores)
    shopify.ordered = {"frida@example.com": 3, "gerd@example.com": 0}
    await claim(stores, code)
    await sweep(stores)
    row = await referral()
    assert (row["verdict"], row["code_state"]) == ("block", "none")
    await claim(stores, code, "gerd@example.com")
    await sweep(stores)
    assert (await referral(2))["code_state"] == "made"
    await deciding.decide(ALICE, row["id"], "allow", "She returned it all", "Alice")
    await sweep(stores, 1)
    assert (await referral())["code_state"] == "made"


async def test_allowed_again_before_the_old_code_is_off_there_is_never_a_second_one_that_works(
    stores: Stores, shopify: Shop
) -> None:
    await offer()
    made = await claim(stores, await link_of(stores))
    await sweep(stores)
    first = (await referral())["code"]
    await deciding.decide(ALICE, made.id, "block", "A coupon site", "Alice")
    await deciding.decide(ALICE, made.id, "allow", "A mistake of mine", "Alice")
    await sweep(stores, 1)
    await sweep(stores, 2)
    row = await referral()
    works = [
        code
        for code, one in shopify.discounts.items()
        if one["codeDiscount"].get("status", "ACTIVE") != "EXPIRED"
    ]
    assert (row["code_state"], works) == ("made", [row["code"]])
    assert row["code"] != first


async def test_a_code_shopify_refused_is_made_when_staff_allow_it_a_second_time(
    stores: Stores, shopify: Shop
) -> None:
    await offer()
    code = await link_of(stores)
    held = await claim(stores, code, "someone@mailinator.com")
    await deciding.decide(ALICE, held.id, "allow", "I know her", "Alice")
    shopify.errors = [{"message": "Value is too big", "code": "INVALID"}]
    await sweep(stores, 1)
    assert (await referral())["code_state"] == "refused"
    shopify.errors = []
    await deciding.decide(ALICE, held.id, "allow", "The shop's setting is mended", "Alice")
    await sweep(stores, 2)
    assert (await referral())["code_state"] == "made"
