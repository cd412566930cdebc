"""Collections that rules name, asked of the store: in pages, again when they changed, and as they
were known last while Shopify does not answer.
"""

import pytest

from app import db
from app.points.earning.campaigns import collections
from devstore.shop import acts
from tests.points import world
from tests.points.earning.campaigns.told import campaign, days_ago, told
from tests.points.rewards.discounts import CLIENT
from tests.points.rewards.store import Store
from tests.points.world import ALICE, figures, line, paid

DUE = "UPDATE collections SET due_at = now() - interval '1 second' RETURNING 1"


async def refresh(stores: db.Stores) -> int:
    return await collections.refresh(CLIENT, stores.config)


async def wanted(store: Store, *products: int) -> str:
    """A collection of the store that a campaign is for: twice the points of what is in it."""
    made = acts.put_collection(store.world, store.shop, "Summer", products)
    await world.program(ALICE)
    await world.handle(*told(campaign(scope="collections", ids=[str(made.id)])))
    return str(made.id)


async def earned(order_id: str, product_id: int) -> int:
    """What an order of ten of this product earns."""
    before = (await figures()).get("available", 0)
    await world.handle(
        paid(order_id, line("10.00") | {"product_id": str(product_id)}, at=days_ago(0.1))
    )
    return (await figures())["available"] - before


async def known(collection_id: str) -> collections.State:
    (state,) = await collections.states(ALICE, [collection_id])
    return state


async def test_a_collection_that_a_campaign_names_is_fetched_and_counts(stores, store) -> None:
    name = await wanted(store, store.mug.id)
    assert (await known(name)).is_old
    assert await earned("1", store.mug.id) == 10, "nobody knows yet what is in it"
    assert await refresh(stores) == 1
    assert await refresh(stores) == 0, "until its turn comes again"
    state = await known(name)
    assert (state.title, state.problem, state.is_old) == ("Summer", "", False)
    assert (await earned("2", store.mug.id), await earned("3", store.bag.id)) == (20, 10)


async def test_what_changed_in_a_collection_is_fetched_when_the_shop_says_so(stores, store) -> None:
    name = await wanted(store, store.mug.id)
    await refresh(stores)
    acts.put_collection(store.world, store.shop, "Autumn", [store.bag.id], int(name))
    async with db.connection() as conn:
        await collections.told_changed(conn, [(ALICE, name), (ALICE, "404")])
    assert await refresh(stores) == 1
    assert (await known(name)).title == "Autumn"
    assert (await earned("1", store.mug.id), await earned("2", store.bag.id)) == (10, 20)


async def test_more_products_than_a_page_all_count(stores, store, monkeypatch) -> None:
    monkeypatch.setattr(collections, "PAGE", 1)
    await wanted(store, store.mug.id, store.bag.id)
    await refresh(stores)
    assert store.calls == ["collection_products"] * 2
    assert (await earned("1", store.mug.id), await earned("2", store.bag.id)) == (20, 20)


async def test_of_a_collection_past_the_limit_the_first_products_count_and_that_is_said(
    stores, store, monkeypatch
) -> None:
    monkeypatch.setattr(collections, "PAGE", 1)
    monkeypatch.setattr(collections, "PRODUCTS_MAX", 1)
    name = await wanted(store, store.mug.id, store.bag.id)
    await refresh(stores)
    assert (await known(name)).problem == "Only its first 1 products count."
    assert (await earned("1", store.mug.id), await earned("2", store.bag.id)) == (20, 10)


@pytest.mark.parametrize("trouble", ["fail", "lost"])
async def test_while_shopify_fails_what_was_known_last_counts_and_is_asked_again(
    stores, store, trouble
) -> None:
    name = await wanted(store, store.mug.id)
    await refresh(stores)
    before = await known(name)
    acts.put_collection(store.world, store.shop, "Autumn", [store.bag.id], int(name))
    await world.one(DUE)
    store.world.trouble.change(trouble)
    assert await refresh(stores) == 1
    state = await known(name)
    assert (state.title, state.fetched_at) == ("Summer", before.fetched_at)
    assert state.problem == "Shopify is not answering at the moment."
    assert await earned("1", store.mug.id) == 20
    wait = await world.one("SELECT extract(epoch FROM due_at - now())::int FROM collections")
    assert 0 < wait <= collections.AGAIN_SECONDS
    store.answer()
    await world.one(DUE)
    await refresh(stores)
    state = await known(name)
    assert (state.title, state.problem) == ("Autumn", "")
    assert await earned("2", store.mug.id) == 10


async def test_a_collection_that_is_gone_holds_nothing_and_says_so(stores, store) -> None:
    name = await wanted(store, store.mug.id)
    await refresh(stores)
    store.world.state.drop("collection", int(name))
    await world.one(DUE)
    await refresh(stores)
    assert "does not exist in Shopify any more" in (await known(name)).problem
    assert await earned("1", store.mug.id) == 10


async def test_answers_that_make_no_sense_or_have_no_end_hold_up_no_other_collection(
    stores, store, monkeypatch
) -> None:
    monkeypatch.setattr(collections, "PAGES_MAX", 3)
    names = [await wanted(store, store.mug.id) for _ in range(3)]
    call, info = store.call, {"hasNextPage": True, "endCursor": "again"}
    endless = {"title": "Endless", "products": {"nodes": [], "pageInfo": info}}
    odd = {names[0]: {"title": None}, names[1]: endless}

    async def answers(client, config, shop, document, variables):
        name = variables["id"].rpartition("/")[2]
        if name in odd:
            return {"collection": odd[name]}
        return await call(client, config, shop, document, variables)

    monkeypatch.setattr(collections.admin_api, "call", answers)
    await refresh(stores)
    states = [await known(name) for name in names]
    assert [one.fetched_at is not None for one in states] == [False, False, True]
    assert "does not come to an end" in states[1].problem
