"""What never arrived is found at Shopify and told once; what was known stays as it is."""

from datetime import UTC, datetime, timedelta

from app import db
from app.core import metrics as core_metrics
from app.core.reconciliation import actions, planning, reads, rules
from app.flow.lanes import lane, losses
from app.shopify import graphql
from app.webhooks import _item
from ops import reconcile
from tests.core.reconciliation.world import (
    NEVER,
    booked,
    drain,
    execute,
    is_noted,
    look,
    loses,
    opened,
    told,
    value,
)
from tests.devstore.conftest import SHOP, Store


async def orders() -> list[str]:
    return [one["order_name"] for one in await told("order.updated")]


async def test_orders_of_a_lost_hour_are_told_once_and_the_loss_is_closed(
    quick: db.Stores, store: Store
) -> None:
    await opened(store, quick.config)
    await loses(store, "*")
    bob = await store.customer()
    for _ in range(3):
        await store.order(bob)
    loss_id = await is_noted()
    await look(quick, store)
    assert await orders() == ["#1001", "#1002", "#1003"]
    assert [one.reconciled_at for one in await losses.shown()] == [None], "it is looked once more"
    await look(quick, store, times=2)
    assert await orders() == ["#1001", "#1002", "#1003"], "and tells nothing twice"
    (row,) = await booked()
    assert (row["loss_id"], row["looks"], row["found"], row["told"]) == (loss_id, 2, 3, 3)
    assert row["done_at"] is not None
    await look(quick, store)
    assert [one.reconciled_at is None for one in await losses.shown()] == [False]
    customers = await told("customer.updated")
    assert [one["name"] for one in customers] == ["Bob Buyer"]


async def test_what_arrived_is_not_told_again(quick: db.Stores, store: Store) -> None:
    await opened(store, quick.config)
    bob = await store.customer()
    for _ in range(2):
        await store.order(bob)
    await store.until(lambda: not store.world.webhooks.waiting)
    for request, body in store.app.webhooks():
        await taken_in(quick, request, body)
    await drain(quick)
    facts = await value("SELECT sum(facts) FROM facts")
    await loses(store, "*")
    await store.order(bob)
    await is_noted()
    await look(quick, store, times=2)
    assert await value("SELECT sum(facts) FROM facts") == facts + 1
    (row,) = await booked()
    assert (row["found"], row["told"], row["others"]) == (3, 1, 0)


async def test_what_changes_after_it_was_told_is_told_as_it_is_then(
    quick: db.Stores, store: Store
) -> None:
    await opened(store, quick.config)
    await loses(store, "*")
    made = await store.order(await store.customer(), paid=False)
    await is_noted()
    await look(quick, store)
    await store.control("POST", f"shops/{SHOP}/orders/{made['id']}/pay", {})
    await is_noted()
    await look(quick, store, times=2)
    statuses = [one["financial_status"] for one in await told("order.updated")]
    assert statuses == ["pending", "paid"]


async def test_a_cancelled_order_is_told_with_what_came_back(
    quick: db.Stores, store: Store
) -> None:
    await opened(store, quick.config)
    await loses(store, "*")
    made = await store.order(await store.customer())
    await store.control("POST", f"shops/{SHOP}/orders/{made['id']}/cancel", {"refund": True})
    await is_noted()
    await look(quick, store, times=2)
    assert [one["order_id"] for one in await told("order.cancelled")] == [str(made["id"])]
    assert [one["order_id"] for one in await told("order.refunded")] == [str(made["id"])]


async def test_the_index_of_shopify_may_be_behind(quick: db.Stores, store: Store) -> None:
    await opened(store, quick.config)
    await loses(store, "*")
    await store.order(await store.customer())
    await store.control("POST", "shopify", {"index_lag_seconds": 3600})
    await is_noted()
    await look(quick, store)
    assert await orders() == []
    await store.control("POST", "shopify", {"index_lag_seconds": 0})
    await look(quick, store, times=2)
    assert await orders() == ["#1001"]
    (row,) = await booked()
    assert row["done_at"] is not None


async def test_the_shop_itself_and_a_word_on_e_mails_are_found(
    quick: db.Stores, store: Store
) -> None:
    await opened(store, quick.config)
    await loses(store, "*")
    bob = await store.customer()
    await store.control("POST", f"shops/{SHOP}/customers/{bob}/consent", {"subscribed": True})
    await store.control("POST", f"shops/{SHOP}/customers/{bob}/tags", {"add": ["vip"]})
    await store.control("POST", f"shops/{SHOP}/settings", {"currency": "JPY"})
    await is_noted()
    await look(quick, store)
    assert [one["currency"] for one in await told("shop.updated")] == ["JPY"]
    assert [one["is_subscribed"] for one in await told("customer.consented")] == [True]
    assert [one["added"] for one in await told("customer.tagged")] == [["vip"]]


async def test_more_than_a_page_is_looked_through_and_the_cursor_is_kept(
    quick: db.Stores, store: Store, monkeypatch
) -> None:
    await opened(store, quick.config)
    await loses(store, "*")
    await store.control("POST", f"shops/{SHOP}/burst", {"count": 8})
    plain = graphql.DOCUMENTS["orders_changed"]
    monkeypatch.setitem(graphql.DOCUMENTS, "orders_changed", plain.replace("100", "3"))
    saved, save = [], actions._Keeper.save

    async def note(keeper: actions._Keeper, at: rules.Look, *arguments: float) -> None:
        saved.append((at.part, at.cursor is None, at.found))
        await save(keeper, at, *arguments)

    monkeypatch.setattr(actions._Keeper, "save", note)
    await is_noted()
    await look(quick, store, times=3)
    found = await orders()
    assert (len(found), len(set(found))) == (8, 8)
    assert saved[:3] == [("orders", False, 3), ("orders", False, 6), ("customers", True, 8)]


async def test_the_round_of_a_shop_finds_what_was_never_delivered_and_goes_on_from_there(
    quick: db.Stores, store: Store
) -> None:
    await opened(store, quick.config)
    await loses(store, "*")
    bob = await store.customer()
    await store.order(bob)
    await look(quick, store)
    assert await orders() == ["#1001"]
    (row,) = await booked(name=rules.ROUND)
    assert row["until"] is not None, "it is looked once more, for it found something"
    await look(quick, store)
    (row,) = await booked(name=rules.ROUND)
    assert row["until"] is None
    assert datetime.now(UTC) - row["since"] < rules.OVERLAP + timedelta(minutes=1)
    assert row["next_at"] > datetime.now(UTC)
    await store.order(bob)
    await look(quick, store, times=2)
    assert await orders() == ["#1001", "#1002"]


async def test_what_redis_lost_of_what_was_told_is_told_again(
    quick: db.Stores, store: Store
) -> None:
    await opened(store, quick.config)
    await loses(store, "*")
    await store.order(await store.customer())
    await is_noted()
    await planning.plan(quick)
    await actions.look_at_due(quick, store.http, NEVER)
    assert await quick.lane.llen(f"lane:{SHOP}") > 0
    await quick.queue.flushall()
    await look(quick, store)
    assert await orders() == ["#1001"]
    (row,) = await booked()
    assert row["done_at"] is None, "nothing is settled that is not written down"


async def taken_in(stores: db.Stores, request, body: bytes) -> None:
    headers = {name.lower(): value for name, value in request.headers.raw}
    await lane.admit(stores.lane, [_item(headers, body, "request-1")], stores.config)


async def test_what_is_not_asked_of_a_shop_that_left(quick: db.Stores, store: Store) -> None:
    await opened(store, quick.config)
    await is_noted()
    await look(quick, store)
    await execute("UPDATE shops SET status = 'uninstalled'")
    await look(quick, store, times=2)
    (row,) = await booked()
    assert row["error"] == "The app is not in this shop any more."
    assert [one.reconciled_at is None for one in await losses.shown()] == [False]
    assert await booked(name=rules.ROUND) == []


async def test_what_is_open_is_told_in_figures_and_to_operators(
    quick: db.Stores, store: Store
) -> None:
    await opened(store, quick.config)
    await is_noted(minutes=60)
    await planning.plan(quick)
    found = {one.name: one.values for one in await core_metrics.scraped(10)}
    ages = found["holdfast_reconciliation_age_seconds"]
    assert 3600 < ages["loss"] < 3600 + 16 * 60  # type: ignore[index]
    assert 23 * 3600 < ages["round"] < 25 * 3600  # type: ignore[index]
    (of_loss,), failing, rounds = await reads.of_all()
    assert (of_loss.shops, of_loss.done, failing, rounds.shops) == (1, 0, [], 1)
    await look(quick, store, times=3)
    found = {one.name: one.values for one in await core_metrics.scraped(10)}
    assert found["holdfast_reconciliation_age_seconds"]["loss"] == 0  # type: ignore[index]
    (of_loss,), _, _ = await reads.of_all()
    assert (of_loss.shops, of_loss.done) == (1, 1)
    assert of_loss.noted.reconciled_at is not None


async def test_by_hand_it_says_what_was_found_and_may_be_repeated(
    quick: db.Stores, store: Store
) -> None:
    await opened(store, quick.config)
    await loses(store, "*")
    bob = await store.customer()
    for _ in range(2):
        await store.order(bob)
    now = datetime.now(UTC)
    window = now - timedelta(hours=1), now + timedelta(minutes=1)
    first = await reconcile.of_shop(quick, store.http, SHOP, *window)
    assert (first.found, first.told, first.others) == (2, 2, 1)
    again = await reconcile.of_shop(quick, store.http, SHOP, *window)
    assert (again.told, again.waiting) == (0, 3), "they wait in the lane"
    await drain(quick)
    last = await reconcile.of_shop(quick, store.http, SHOP, *window)
    assert (last.found, last.news) == (2, 0)
    assert "2 orders had changed, 2 were known, 0 are told again" in reconcile.line(last, 0.1)
    assert len(await orders()) == 2
