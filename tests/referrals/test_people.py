"""People who are merged or ask to be forgotten, shops that leave, and digests that grow old."""

from datetime import timedelta

from app.db import Stores
from app.referrals.claims import marks
from app.referrals.links import actions as links
from app.referrals.orders import kept
from app.referrals.people import leaving
from tests.points.world import ALICE, fact, now, one
from tests.referrals.test_orders import pass_days, state
from tests.referrals.world import (
    BOB,
    CAROL,
    FRIDA,
    claim,
    handle,
    link_of,
    offer,
    order,
    referral,
    told,
)


async def test_customers_who_are_merged_take_their_links_with_them(stores: Stores) -> None:
    await offer()
    code = await link_of(stores)
    await claim(stores, code)
    await handle(stores, order("1"))
    await handle(stores, fact("customer.merged", {"customer_id": BOB, "kept_id": CAROL}))
    await pass_days(0)
    assert [one["advocate_id"] for one in await told("referral.completed")] == [CAROL]
    assert (await links.ask(stores, ALICE, CAROL)).code == code


async def test_an_advocate_who_turns_out_to_be_the_friend_gets_nothing_for_it(
    stores: Stores,
) -> None:
    await offer()
    await claim(stores, await link_of(stores))
    await handle(stores, order("1"))
    await pass_days(0)
    await handle(stores, fact("customer.merged", {"customer_id": FRIDA, "kept_id": BOB}))
    assert await state() == ("reversed", "block")
    assert len(await told("referral.reversed")) == 1


async def test_who_asks_to_be_forgotten_is_forgotten_and_what_was_given_stays(
    stores: Stores,
) -> None:
    await offer()
    await claim(stores, await link_of(stores))
    await handle(stores, order("1", address="1 Elm Street, 40202"))
    await pass_days(0)
    request = {
        "topic": "customers/redact",
        "payload": {"customer": {"id": int(FRIDA), "email": "frida@example.com"}},
    }
    await handle(stores, fact("compliance.requested", request))
    row = await referral()
    assert (row["friend_email"], row["friend_key"], row["state"]) == ("", "", "completed")
    left = "SELECT count(*) FROM referral_marks WHERE subject <> $1"
    assert await one(left, f"customer:{BOB}") == 0
    assert await one("SELECT count(*) FROM referral_people WHERE email_key <> ''") == 0


async def test_a_shop_that_is_to_be_forgotten_is_gone_row_by_row(stores: Stores) -> None:
    await offer()
    await claim(stores, await link_of(stores))
    await handle(stores, order("1"))
    await handle(stores, fact("compliance.requested", {"topic": "shop/redact", "payload": {}}))
    for _ in range(20):
        await leaving.forget_shops()
    for table in (*leaving.OF_SHOP, "referral_keys"):
        assert await one(f"SELECT count(*) FROM {table}") == 0, table


async def test_digests_are_forgotten_after_ninety_days(stores: Stores) -> None:
    await offer()
    await claim(stores, await link_of(stores))
    assert await one("SELECT count(*) FROM referral_marks") == 2
    assert await marks.forget_old(now() + timedelta(days=89)) == 0
    assert await marks.forget_old(now() + timedelta(days=91)) == 2


async def test_where_orders_went_to_and_who_never_ordered_is_forgotten_after_ninety_days(
    stores: Stores,
) -> None:
    await offer()
    code = await link_of(stores)
    await claim(stores, code)
    await handle(stores, order("1", address="1 Elm Street, 40202"))
    await claim(stores, code, "gerd@example.com")
    await pass_days(40)
    later = now() + timedelta(days=140)
    for forget in (kept.forget_addresses, leaving.forget_lapsed):
        assert await forget(now() + timedelta(days=60)) == 0
        assert await forget(later) == 1
        assert await forget(later) == 0
    assert await one("SELECT told->>'address' FROM referral_orders") == ""
    assert (await referral(2))["friend_email"] == ""
    assert (await referral(1))["friend_email"] == "frida@example.com", "a customer"


async def test_of_two_merges_the_later_one_may_be_told_first(stores: Stores) -> None:
    await offer()
    code = await link_of(stores)
    dora = "7003"
    await handle(stores, fact("customer.merged", {"customer_id": CAROL, "kept_id": dora}))
    await handle(stores, fact("customer.merged", {"customer_id": BOB, "kept_id": CAROL}))
    assert (await links.ask(stores, ALICE, dora)).code == code


async def test_of_a_guest_who_asks_to_be_forgotten_no_digest_is_left(stores: Stores) -> None:
    await offer()
    await claim(stores, await link_of(stores))
    await handle(stores, order("1", None, address="1 Elm Street, 40202"))
    request = {
        "topic": "customers/redact",
        "payload": {"customer": {"id": 9, "email": "Frida@example.com"}},
    }
    await handle(stores, fact("compliance.requested", request))
    assert await one("SELECT count(*) FROM referral_people WHERE person LIKE 'guest:%'") == 0
    assert await one("SELECT told->>'email_key' FROM referral_orders") == ""
    assert await one("SELECT told->>'address' FROM referral_orders") == ""


async def test_a_deleted_customer_without_an_address_in_the_request_is_forgotten_too(
    stores: Stores,
) -> None:
    from tests.referrals.world import person

    await offer()
    await claim(stores, await link_of(stores))
    await one("UPDATE referrals SET friend_id = '', verdict = 'hold' RETURNING id")
    await handle(stores, person(FRIDA, "frida@example.com"))
    await handle(stores, fact("customer.deleted", {"customer_id": FRIDA}))
    row = await referral()
    assert (row["friend_email"], row["friend_key"]) == ("", "")


async def test_a_link_of_who_is_gone_ends_and_nobody_is_rewarded_in_their_place(
    stores: Stores,
) -> None:
    import pytest

    from app.errors import NotFoundError

    await offer()
    code = await link_of(stores)
    await claim(stores, code)
    await handle(stores, order("1"))
    await handle(stores, fact("customer.deleted", {"customer_id": BOB}))
    await pass_days(0)
    assert await told("referral.completed") == []
    assert await state() == ("ordered", "block")
    with pytest.raises(NotFoundError):
        await claim(stores, code, "gerd@example.com")
