"""Every kind of reward against the stand-in store, from the hold to its use: made once whatever
answer is lost, refused with the points back, and taken back.
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from app import db
from app.errors import RefusedError
from app.points.ledger.audit import verify
from app.points.rewards import actions, issuing, offers, redemption, settling, staff
from app.points.rewards.rules import KINDS, Details
from app.points.views import RedemptionView
from devstore.errors import CodeRefusedError
from tests.points.rewards.discounts import CLIENT, make_due
from tests.points.rewards.store import Store
from tests.points.world import ALICE, figures, handle, line, one, paid, program

pytestmark = pytest.mark.usefixtures("stores")


def wanted(kind: str, store: Store, **more: Any) -> tuple[str, Details]:
    """An amount, and details that this kind can have."""
    found: dict[str, Any] = {
        "amount_off": ("5.00", {"minimum": "20", "code_days": 30}),
        "percent_off": ("0", {"percent": "12.5", "combines_with": ["shipping"]}),
        "free_shipping": ("0", {"minimum": "10", "combines_with": ["order", "product"]}),
        "free_product": ("18.00", {"products": [str(store.mug.id)]}),
        "store_credit": ("7.50", {"code_days": 90}),
        "gift_card": ("25.00", {"code_days": 365}),
    }
    amount, details = found[kind]
    return amount, Details(**{**details, **more})


async def hold(store: Store, kind: str, key: str = "k1", **more: Any) -> RedemptionView:
    """A redemption of Bob's, of 100 of 250 points."""
    bob = str(store.bob.id)
    if not await figures(bob):
        await program()
        await handle(paid("1", line("250.00"), customer=bob))
    amount, details = wanted(kind, store, **more)
    reward = await offers.save_reward(ALICE, None, kind, 100, amount, kind=kind, details=details)
    return await actions.redeem(ALICE, bob, reward.id, key, "r")


async def bobs(store: Store) -> dict[str, int]:
    return await figures(str(store.bob.id))


def made(store: Store) -> int:
    """How many things there are at Shopify."""
    credits_ = [each for each in store.credits if each.amount_cents > 0]
    return len(store.discounts) + len(store.cards) + len(credits_)


@pytest.mark.parametrize("kind", KINDS)
async def test_it_is_held_made_once_and_captured(
    stores: db.Stores, store: Store, kind: str
) -> None:
    held = await hold(store, kind)
    assert await bobs(store) == {"available": 150, "held": 100}
    done = await redemption.complete(stores, CLIENT, held.id)
    assert (done.state, done.kind) == ("captured", kind)
    assert bool(done.code) == (kind != "store_credit")
    assert made(store) == 1
    assert await redemption.complete(stores, CLIENT, held.id) == done
    assert await bobs(store) == {"available": 150, "spent": 100}
    assert (await verify(ALICE)).problems == []


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_that_was_lost_leads_to_the_same_one(
    stores: db.Stores, store: Store, kind: str
) -> None:
    held = await hold(store, kind)
    store.lose()
    assert (await redemption.complete(stores, CLIENT, held.id)).state == "held"
    assert made(store) == 1
    store.answer()
    await make_due()
    await redemption.sweep(stores, CLIENT)
    assert (await redemption.view(held.id)).state == "captured"
    assert made(store) == 1
    assert await bobs(store) == {"available": 150, "spent": 100}


@pytest.mark.parametrize("kind", KINDS)
async def test_what_shopify_refuses_gives_the_points_back(
    stores: db.Stores, store: Store, kind: str
) -> None:
    held = await hold(store, kind)
    store.refuse()
    done = await redemption.complete(stores, CLIENT, held.id)
    assert done.state == "released"
    assert done.message.endswith(".")
    assert made(store) == 0
    assert await bobs(store) == {"available": 250}


@pytest.mark.parametrize("kind", ["gift_card", "free_shipping"])
async def test_without_the_permission_the_points_are_back_at_once(
    stores: db.Stores, store: Store, kind: str
) -> None:
    held = await hold(store, kind)
    store.deny()
    done = await redemption.complete(stores, CLIENT, held.id)
    assert (done.state, "not permitted" in done.message) == ("released", True)
    assert await bobs(store) == {"available": 250}


async def test_without_the_permission_what_may_exist_stays_held(
    stores: db.Stores, store: Store
) -> None:
    held = await hold(store, "gift_card")
    store.lose()
    await redemption.complete(stores, CLIENT, held.id)
    store.deny()
    await make_due()
    assert (await redemption.complete(stores, CLIENT, held.id)).state == "held"
    await make_due(give_up_at="now()")
    assert (await redemption.complete(stores, CLIENT, held.id)).state == "captured"


@pytest.mark.parametrize("kind", KINDS)
async def test_one_made_too_late_is_taken_back_once_also_when_that_answer_is_lost(
    stores: db.Stores, store: Store, kind: str
) -> None:
    held = await hold(store, kind)
    store.lose()
    await redemption.complete(stores, CLIENT, held.id)
    await settling.give_back(stores, held.id, "a test")
    for mode in ("lost", "normal", "normal"):
        store.world.trouble.change(mode)
        hour = "now() - interval '1 h'"
        await make_due(taking_back_at=f"CASE WHEN taking_back_at IS NULL THEN NULL ELSE {hour} END")
        await redemption.sweep(stores, CLIENT)
        store.answer()
        if mode == "lost":  # nothing was found, so nothing was asked for: find it this time
            await settled(stores, store, held.id)
    assert left(store) == 0
    assert await bobs(store) == {"available": 250}
    assert len([each for each in store.credits if each.amount_cents < 0]) <= 1


async def settled(stores: db.Stores, store: Store, redemption_id: str) -> None:
    """Taking it back does its work, and the answer of that alone is lost."""
    plain = store.call

    async def losing(*asked: Any) -> Any:
        if asked[3] in {"discount_deactivate", "gift_card_deactivate", "store_credit_debit"}:
            store.lose()
        try:
            return await plain(*asked)
        finally:
            store.answer()

    store.call = losing  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(issuing.admin_api, "call", losing)
        await make_due()
        await redemption.clean_up(stores, CLIENT, redemption_id)
    store.call = plain  # type: ignore[method-assign]


def left(store: Store) -> int:
    """How many of them somebody could still use."""
    cards = [each for each in store.cards if each.is_enabled]
    return (
        len([each for each in store.discounts if each.is_active]) + len(cards) + store.credit_cents
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_staff_cancel_one_that_was_not_used(
    stores: db.Stores, store: Store, kind: str
) -> None:
    held = await hold(store, kind)
    await redemption.complete(stores, CLIENT, held.id)
    for _ in range(3):
        done = await staff.cancel(stores, CLIENT, ALICE, held.id, "Alice Owner")
        assert done.state == "released"
    assert left(store) == 0
    assert await bobs(store) == {"available": 250}
    assert (await verify(ALICE)).problems == []


@pytest.mark.parametrize("kind", KINDS)
async def test_the_checkout_takes_it_and_staff_cannot_cancel_it_then(
    stores: db.Stores, store: Store, kind: str
) -> None:
    held = await hold(store, kind)
    done = await redemption.complete(stores, CLIENT, held.id)
    is_code = kind not in {"store_credit", "gift_card"}
    order = store.buy(
        store.mug.item(2),
        codes=(done.code,) if is_code else (),
        cards=(done.code,),
        with_credit=True,
    )
    off = {
        "amount_off": 500,
        "percent_off": 450,
        "free_shipping": 500,
        "free_product": 1800,
        "store_credit": 750,
        "gift_card": 2500,
    }[kind]
    found = order.codes[0] if is_code else order.paid_by[0]
    assert found.amount_cents == off
    assert order.shipping_cents == (0 if kind == "free_shipping" else 500)
    with pytest.raises(RefusedError, match="used already"):
        await staff.cancel(stores, CLIENT, ALICE, held.id, "Alice Owner")
    assert await bobs(store) == {"available": 150, "spent": 100}


async def test_conditions_hold_at_the_checkout(stores: db.Stores, store: Store) -> None:
    held = await hold(store, "amount_off")
    code = (await redemption.complete(stores, CLIENT, held.id)).code
    with pytest.raises(CodeRefusedError, match=r"needs 20\.00"):
        store.buy(store.mug.item(1), codes=(code,))
    other = await hold(store, "free_product", key="k2")
    free = (await redemption.complete(stores, CLIENT, other.id)).code
    with pytest.raises(CodeRefusedError, match="other products"):
        store.buy(store.bag.item(1), codes=(free,))
    with pytest.raises(CodeRefusedError, match="cannot be combined"):
        store.buy(store.mug.item(2), codes=(code, free))


async def test_one_piece_is_free_whatever_it_costs_when_something_is_bought_with_it(
    stores: db.Stores, store: Store
) -> None:
    """A percentage of 100 would make every mug in the cart free."""
    held = await hold(store, "free_product", bought=[store.collection(store.bag)])
    code = (await redemption.complete(stores, CLIENT, held.id)).code
    assert store.calls == ["discount_bxgy_create"]
    with pytest.raises(CodeRefusedError, match="needs something else"):
        store.buy(store.mug.item(3), codes=(code,))
    order = store.buy(store.mug.item(3), store.bag.item(1), codes=(code,))
    assert order.codes[0].amount_cents == store.mug.price_cents
    assert [each.net_cents for each in order.lines] == [
        2 * store.mug.price_cents,
        store.bag.price_cents,
    ]


async def test_so_much_is_bought_with_it_as_the_reward_says(
    stores: db.Stores, store: Store
) -> None:
    whole = f"{store.bag.price_cents * 2 / 100:.2f}"
    held = await hold(store, "free_product", bought=[store.collection(store.bag)], minimum=whole)
    code = (await redemption.complete(stores, CLIENT, held.id)).code
    with pytest.raises(CodeRefusedError, match="needs something else"):
        store.buy(store.mug.item(1), store.bag.item(1), codes=(code,))
    store.buy(store.mug.item(1), store.bag.item(2), codes=(code,))


async def test_a_code_says_until_when_it_can_be_used(stores: db.Stores, store: Store) -> None:
    held = await hold(store, "amount_off")
    done = await redemption.complete(stores, CLIENT, held.id)
    (discount,) = store.discounts
    assert done.ends_at is not None
    assert datetime.fromisoformat(str(discount.ends_at)) == done.ends_at
    assert 29 <= (done.ends_at - datetime.now(UTC)).days <= 30


@pytest.mark.parametrize(
    ("kind", "amount", "sentence"),
    [
        ("store_credit", "20000.00", "more than Shopify lets one customer have"),
        ("gift_card", "2000.01", "does not issue gift cards of that amount"),
    ],
)
async def test_limits_of_shopify_are_told_in_words(
    stores: db.Stores, store: Store, kind: str, amount: str, sentence: str
) -> None:
    held = await hold(store, kind)
    await one("UPDATE redemptions SET amount_off = $1::text::numeric RETURNING 1", amount)
    done = await redemption.complete(stores, CLIENT, held.id)
    assert (done.state, sentence in done.message) == ("released", True)
    assert await bobs(store) == {"available": 250}


async def test_a_customer_who_is_gone_gets_the_points_back(stores: db.Stores, store: Store) -> None:
    held = await hold(store, "store_credit")
    store.bob.is_deleted = True
    done = await redemption.complete(stores, CLIENT, held.id)
    assert "does not know this customer any more" in done.message
