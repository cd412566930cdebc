"""One order as one trace: from Shopify's delivery through every process to the shopper's code."""

import json
import os

import pytest

from app.services import SERVICES
from ops import traces
from ops.traces import Seen
from tests.receiver import Receiver
from tests.stack import SECRET, SHOP, Stack
from tests.waiting import wait_for
from tests.webhook import signed_headers

CLIENT, SERVER, CONSUMER = 3, 2, 5  # kinds, as OTLP numbers them


def order_of_bob(stack: Stack, trace_id: str, bonus: int) -> None:
    """Bob pays an order and turns its points into a code, all in one recorded trace; `bonus` is
    what a campaign adds.
    """
    recorded = {"traceparent": f"00-{trace_id}-{os.urandom(8).hex()}-01"}
    bob = stack.customer()
    order = stack.order(bob, "120.00", paid=False)
    body = json.dumps({**order, "financial_status": "paid"}).encode()
    delivered = {**signed_headers(body, "orders/paid", SHOP, SECRET), **recorded}
    answer = stack.http.post(f"{stack.app_url}/webhooks", content=body, headers=delivered)
    assert answer.status_code == 200
    me = stack.wait_for_points(bob, 120 + bonus)
    reward = next(one for one in me["rewards"] if one["cost"] == 100)
    wish = {"reward_id": reward["id"], "idempotency_key": f"bob-{trace_id}"}
    told = stack.proxy("POST", "/storefront/redemptions", bob, json=wish, headers=recorded)
    assert told.status_code == 200, told.text


def spans_of(collector: Receiver, trace_id: str) -> list[Seen]:
    return [one for one in collector.spans if one.trace_id == trace_id]


def whole_order(stack: Stack, collector: Receiver, bonus: int = 0) -> list[Seen]:
    trace_id = os.urandom(16).hex()
    order_of_bob(stack, trace_id, bonus)
    awaited = {"web", "ingest", *(one.name for one in SERVICES)}

    def is_whole() -> bool:
        found = spans_of(collector, trace_id)
        return {one.process for one in found} >= awaited and any(
            one.name == "POST /storefront/redemptions" for one in found
        )

    wait_for("the trace is whole", is_whole, 30, lambda: str(spans_of(collector, trace_id)))
    return spans_of(collector, trace_id)


def test_one_order_is_one_tree_over_every_process_and_the_call_to_shopify(
    stack: Stack, collector: Receiver
) -> None:
    found = whole_order(stack, collector)
    tree = [(depth, one.process, one.name) for depth, one in traces.tree(found)]
    for expected in [
        (0, "web", "POST /webhooks"),
        (1, "web", "admission"),
        (1, "ingest", "drain"),
        (2, "points", "points transaction"),
        (2, "core", "core transaction"),
        (2, "referrals", "referrals transaction"),
        (3, "campaigns", "campaigns transaction"),
        (0, "web", "POST /storefront/redemptions"),
        (1, "web", "redemption"),
        (2, "web", "shopify discount_create"),
    ]:
        assert expected in tree, tree
    by_name = {one.name: one for one in found}
    assert by_name["POST /webhooks"].kind == SERVER
    assert by_name["shopify discount_create"].kind == CLIENT
    assert by_name["points transaction"].kind == CONSUMER
    assert by_name["POST /webhooks"].resource["service.namespace"] == "holdfast"
    assert not [one for one in found if one.error]
    # a batch is for many: it stands in a trace of its own, and they name each other
    batches = {one.span_id: one for one in collector.spans}
    batches_of = (f"{one.name} transaction" for one in SERVICES)
    for name in ("admission", "drain", *batches_of):
        (_, batch_id), *_ = by_name[name].links
        wait_for(
            f"the batch of {name} came",
            lambda one=batch_id: one in {s.span_id for s in collector.spans},
            10,
        )
        batches = {one.span_id: one for one in collector.spans}
        assert (by_name[name].trace_id, by_name[name].span_id) in batches[batch_id].links
    # each begins after what caused it, and the picture shows all of them
    began = {one.span_id: one.began_ns for one in found}
    assert all(one.began_ns >= began.get(one.parent_id, 0) for one in found)
    assert traces.draw(found).count("<rect") == len(found)


def test_the_request_id_of_a_recorded_trace_is_in_its_spans_and_in_the_logs(
    stack: Stack, collector: Receiver
) -> None:
    bob = stack.customer()
    order = stack.order(bob, "7.00", paid=False)
    body = json.dumps({**order, "financial_status": "paid"}).encode()
    trace_id = os.urandom(16).hex()
    headers = {
        **signed_headers(body, "orders/paid", SHOP, SECRET),
        "X-Request-Id": "traced-as-well-1",
        "traceparent": f"00-{trace_id}-{os.urandom(8).hex()}-01",
    }
    answer = stack.http.post(f"{stack.app_url}/webhooks", content=body, headers=headers)
    assert answer.headers["x-request-id"] == "traced-as-well-1"
    stack.wait_for_points(bob, 7)
    for name in ("ingest", "points"):
        log = stack.directory / f"{name}.log"
        wait_for(f"{name} logs it", lambda log=log: "traced-as-well-1" in log.read_text(), 5)
    wait_for(
        "points tells its span",
        lambda: any(one.process == "points" for one in spans_of(collector, trace_id)),
        10,
    )
    ids = {one.attributes.get("holdfast.request_id") for one in spans_of(collector, trace_id)}
    assert ids == {"traced-as-well-1"}
    assert "missing" not in stack.verify(), "the receipt and the fact are told to be the same"


def test_an_error_is_recorded_although_its_trace_was_not_drawn(
    stack: Stack, collector: Receiver
) -> None:
    request_id = os.urandom(16).hex()
    headers = signed_headers(b'{"id": []}', "orders/paid", SHOP, SECRET)
    answer = stack.http.post(
        f"{stack.app_url}/webhooks",
        content=b'{"id": []}',
        headers={**headers, "X-Request-Id": request_id},
    )
    assert answer.status_code == 200
    wait_for("the error came", lambda: spans_of(collector, request_id), 15)
    (found,) = spans_of(collector, request_id)
    assert (found.process, found.name) == ("ingest", "set aside")
    assert found.error


@pytest.mark.long
def test_a_redemption_that_goes_on_in_the_worker_stays_in_its_trace(
    whole_stack: Stack, collector: Receiver
) -> None:
    bob = whole_stack.customer()
    whole_stack.order(bob, "120.00")
    me = whole_stack.wait_for_points(bob, 120)
    reward = next(one for one in me["rewards"] if one["cost"] == 100)
    trace_id = os.urandom(16).hex()
    recorded = {"traceparent": f"00-{trace_id}-{os.urandom(8).hex()}-01"}
    wish = {"reward_id": reward["id"], "idempotency_key": f"bob-{trace_id}"}
    whole_stack.control("POST", "shopify", {"mode": "fail"})
    told = whole_stack.proxy("POST", "/storefront/redemptions", bob, json=wish, headers=recorded)
    assert told.status_code == 202, told.text
    whole_stack.control("POST", "shopify", {"mode": "normal"})
    whole_stack.wait_for_points(bob, 20, 60)
    made = "shopify discount_create"

    def by_points() -> bool:
        found = spans_of(collector, trace_id)
        return any(one.process == "points" and one.name == made and not one.error for one in found)

    wait_for("points made the code", by_points, 90)
    found = spans_of(collector, trace_id)
    asked = next(one for one in found if one.name == "POST /storefront/redemptions")
    again = [one for one in found if one.process == "points" and one.name == "redemption"]
    assert {one.parent_id for one in again} == {asked.span_id}
    assert any(one.error for one in found if one.process == "web"), "the call that failed is told"
