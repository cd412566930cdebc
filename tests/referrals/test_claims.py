"""A friend takes up an offer: the first valid claim counts, whoever else asks at the same time."""

from functools import partial

import pytest

from app.db import Stores
from app.errors import BadInputError, NotFoundError, RefusedError
from app.referrals.claims.marks import Where
from tests.points.world import crowd, one
from tests.referrals.world import (
    BOB,
    CAROL,
    FRIDA,
    HERE,
    THERE,
    claim,
    handle,
    link_of,
    offer,
    order,
    person,
    referral,
    told,
)


async def test_a_friend_gets_a_code_of_their_own_and_the_same_one_again(stores: Stores) -> None:
    await offer()
    code = await link_of(stores)
    first = await claim(stores, code)
    again = await claim(stores, code, " Frida+tea@Example.com ")
    assert (first.id, first.is_held) == (again.id, False)
    row = await referral()
    assert (row["state"], row["verdict"], row["code_state"]) == ("claimed", "allow", "making")
    assert row["code"].startswith("FRIEND-")
    assert [one["referral_id"] for one in await told("referral.created")] == [str(first.id)]


async def test_of_a_hundred_who_claim_for_one_friend_at_once_one_wins(stores: Stores) -> None:
    await offer()
    code = await link_of(stores)
    made = await crowd(*[partial(claim, stores, code)] * 100)
    assert len({one.id for one in made}) == 1
    assert await one("SELECT count(*) FROM referrals") == 1
    assert len(await told("referral.created")) == 1


async def test_of_a_hundred_friends_of_one_link_at_once_ten_go_on_and_the_others_are_looked_at(
    stores: Stores,
) -> None:
    await offer()
    code = await link_of(stores)
    where = [Where(f"198.51.100.{number}", "Safari") for number in range(100)]
    made = await crowd(
        *(
            partial(claim, stores, code, f"f{number}@example.com", where[number])
            for number in range(100)
        )
    )
    assert sum(not one.is_held for one in made) == 10
    assert await one("SELECT count(*) FROM referrals WHERE verdict = 'hold'") == 90
    assert await one("SELECT count(*) FROM referrals WHERE code IS NOT NULL") == 10


async def test_of_two_advocates_who_claim_one_friend_at_once_one_wins(stores: Stores) -> None:
    await offer()
    codes = [await link_of(stores, BOB), await link_of(stores, CAROL)]
    for number in range(10):
        email = f"friend{number}@example.com"
        where = Where(f"198.51.100.{number}", "Safari")
        made = await crowd(
            *(partial(claim, stores, code, email, where) for code in codes * 3),
            return_exceptions=True,
        )
        won = [one for one in made if not isinstance(one, BaseException)]
        lost = [one for one in made if isinstance(one, BaseException)]
        assert len({one.id for one in won}) == 1
        assert {type(one) for one in lost} == {RefusedError}
    assert await one("SELECT count(*) FROM referrals") == 10


@pytest.mark.parametrize(
    "email", ["bob@example.com", "Bob+2@example.com", "b\u043eb@example.com", " BOB@EXAMPLE.COM"]
)
async def test_nobody_refers_themselves_by_another_way_to_write_their_address(
    stores: Stores, email: str
) -> None:
    await offer()
    await handle(stores, person(BOB, "bob@example.com"))
    code = await link_of(stores)
    with pytest.raises(RefusedError):
        await claim(stores, code, email)
    row = await referral()
    assert (row["verdict"], row["code"]) == ("block", None)
    assert await told("referral.created") == []


async def test_who_is_signed_in_as_the_advocate_cannot_claim_for_anybody(stores: Stores) -> None:
    await offer()
    code = await link_of(stores)
    with pytest.raises(RefusedError):
        await claim(stores, code, signed_in_as=BOB)


@pytest.mark.parametrize("customer", [FRIDA, None])
async def test_who_ordered_before_is_no_friend_and_a_guest_is_known_too(
    stores: Stores, customer: str | None
) -> None:
    await offer()
    code = await link_of(stores)
    await handle(stores, order("1", customer))
    with pytest.raises(RefusedError):
        await claim(stores, code)


async def test_a_blocked_claim_takes_no_friend_from_an_honest_advocate(stores: Stores) -> None:
    await offer()
    await handle(stores, person(BOB, "bob@example.com"))
    bobs, carols = await link_of(stores, BOB), await link_of(stores, CAROL)
    with pytest.raises(RefusedError):
        await claim(stores, bobs, signed_in_as=BOB)
    assert not (await claim(stores, carols)).is_held
    with pytest.raises(RefusedError):
        await claim(stores, bobs)


async def test_two_friends_with_one_device_are_looked_at_and_the_advocates_own_is_blocked(
    stores: Stores,
) -> None:
    from app.referrals.claims import actions
    from tests.points.world import ALICE

    await offer()
    code = await link_of(stores)
    await actions.seen_at(stores, ALICE, BOB, HERE._replace(device="bobs-own-device"))
    phone = THERE._replace(device="one-phone-of-two")
    assert not (await claim(stores, code, where=phone)).is_held
    assert (await claim(stores, code, "gerd@example.com", phone)).is_held
    with pytest.raises(RefusedError):
        await claim(stores, code, "hans@example.com", THERE._replace(device="bobs-own-device"))


async def test_bad_input_gets_a_plain_sentence_and_leaves_nothing(stores: Stores) -> None:
    await offer()
    code = await link_of(stores)
    for typed in ("", "frida", "frida@", "@example.com", "a b@example.com", "x" * 300 + "@a.de"):
        with pytest.raises(BadInputError):
            await claim(stores, code, typed)
    with pytest.raises(NotFoundError):
        await claim(stores, "0000000000")
    await offer(is_on=False)
    with pytest.raises(RefusedError):
        await claim(stores, code)
    assert await one("SELECT count(*) FROM referrals") == 0


async def test_no_address_on_the_internet_and_no_device_is_kept_as_it_is(stores: Stores) -> None:
    await offer()
    code = await link_of(stores)
    await claim(stores, code, where=Where("203.0.113.99", "Agent", "a-device-of-frida"))
    kept = await one("SELECT string_agg(referral_marks::text, ' ') FROM referral_marks")
    assert "203.0.113.99" not in kept
    assert "a-device-of-frida" not in kept
    assert await one("SELECT count(*) FROM referral_marks") == 3


async def test_a_friend_who_becomes_a_customer_is_told_with_the_claim_once_more(
    stores: Stores,
) -> None:
    await offer()
    code = await link_of(stores)
    made = await claim(stores, code)
    await handle(stores, person(FRIDA, "Frida@example.com"), person(FRIDA, "frida@example.com"))
    await handle(stores, person(FRIDA, "frida@example.com"))
    found = [
        (one["referral_id"], one.get("friend_id", "")) for one in await told("referral.created")
    ]
    assert found == [(f"{made.id}", ""), (f"{made.id}", FRIDA)]
    await handle(stores, person("7200", "gerd@example.com"))
    await claim(stores, code, "gerd@example.com")
    assert (await told("referral.created"))[-1]["friend_id"] == "7200", "who was one already"


async def test_an_advocate_is_known_by_their_address_also_while_core_cannot_be_asked(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.errors import UnavailableError
    from app.referrals.claims import actions

    await offer()
    await handle(stores, person(BOB, "bob@example.com"))
    code = await link_of(stores)

    async def away(*_: object) -> None:
        raise UnavailableError("Customers cannot be read just now.")

    monkeypatch.setattr(actions.core_reads, "customers", away)
    with pytest.raises(RefusedError):
        await claim(stores, code, "Bob+new@example.com")
    assert (await referral())["verdict"] == "block"


async def test_who_is_signed_in_as_a_customer_with_orders_is_looked_at_whatever_they_type(
    stores: Stores,
) -> None:
    await offer()
    await handle(stores, order("1", "7300", "dora@example.com"))
    code = await link_of(stores)
    made = await claim(stores, code, "a-new-one@example.com", signed_in_as="7300")
    assert made.is_held
    assert "signed_in_known" in (await referral())["reasons"]
