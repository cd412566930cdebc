"""The demo shop: the app is opened once as the merchant would, then two months of history arrive."""

from starlette.responses import JSONResponse

from devstore import demo
from tests.devstore.conftest import Store


async def test_the_history_comes_once_and_after_the_app_was_opened(store: Store) -> None:
    await demo.seed(store.world)
    await demo.seed(store.world)
    orders = list(store.world.state.of_shop("order", demo.SHOP))
    assert len(orders) == demo.ORDERS
    assert len(list(store.world.state.of_shop("customer", demo.SHOP))) == 12
    assert any(one.is_test for one in orders)
    assert any(one.customer_id is None for one in orders)
    assert any(one.cancelled_at for one in orders)
    assert any(one.refunds and not one.cancelled_at for one in orders)
    await store.until(lambda: not store.world.webhooks.waiting)
    paths = [request.url.path for request, _ in store.app.requests]
    assert paths[:2] == ["/healthz", "/"]
    assert "id_token" in store.app.requests[1][0].query_params
    assert len(store.app.payloads("orders/paid")) == demo.ORDERS


async def test_the_history_waits_for_an_app_that_is_not_up_yet(store: Store) -> None:
    answers = [JSONResponse({}, 503), JSONResponse({})]
    store.app.answer = lambda _: answers.pop(0) if len(answers) > 1 else answers[0]
    await demo.seed(store.world)
    assert [request.url.path for request, _ in store.app.requests][:3] == ["/healthz", "/healthz", "/"]
