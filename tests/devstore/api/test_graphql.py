"""The Admin API is strict: schema, tokens that run out, budgets, codes taken once."""

import asyncio
import time
from typing import Any

import pytest

from devstore.api import graphql
from tests.devstore.api.test_tokens import exchange
from tests.devstore.conftest import SHARED, SHOP, Store

needs_schema = pytest.mark.skipif(
    not (SHARED / "schema").is_dir(), reason="the schema is not beside this checkout"
)
CREATE = """
mutation Create($input: DiscountCodeBasicInput!) {
  made: discountCodeBasicCreate(basicCodeDiscount: $input) {
    codeDiscountNode { ...Node }
    userErrors { field message code extraInfo }
  }
}
fragment Node on DiscountCodeNode {
  id
  codeDiscount {
    __typename
    ... on DiscountCodeBasic { title status usageLimit codes(first: 1) { nodes { code } } }
  }
}
"""
STOP = """
mutation ($id: ID!) {
  discountCodeDeactivate(id: $id) { codeDiscountNode { id } userErrors { code } }
}
"""
DELETE = """
mutation ($id: ID!) {
  discountCodeDelete(id: $id) { deletedCodeDiscountId userErrors { code } }
}
"""


async def ask(
    store: Store, query: str, variables: dict[str, Any] | None = None, version: str = "2026-07"
) -> Any:
    token = next(iter(store.world.state.of_shop("access_token", SHOP)), None)
    text = token.token if token else (await exchange(store)).json()["access_token"]
    return await store.http.post(
        f"/shops/{SHOP}/admin/api/{version}/graphql.json",
        json={"query": query, "variables": variables or {}},
        headers={"X-Shopify-Access-Token": text},
    )


def five_off(bob: str, code: str = "HOLD-1", **fields: Any) -> dict[str, Any]:
    return {
        "title": "Five off",
        "code": code,
        "startsAt": "2026-01-01T00:00:00Z",
        "usageLimit": 1,
        "appliesOncePerCustomer": True,
        "context": {"customers": {"add": [f"gid://shopify/Customer/{bob}"]}},
        "customerGets": {
            "items": {"all": True},
            "value": {"discountAmount": {"amount": "5.0", "appliesOnEachItem": False}},
        },
        **fields,
    }


async def test_a_code_is_made_found_used_once_and_only_by_its_customer(store: Store) -> None:
    bob, charlie = await store.customer("Bob"), await store.customer("Charlie")
    made = (await ask(store, CREATE, {"input": five_off(bob)})).json()["data"]["made"]
    assert made["userErrors"] == []
    node = made["codeDiscountNode"]
    assert node["codeDiscount"] == {
        "__typename": "DiscountCodeBasic",
        "title": "Five off",
        "status": "ACTIVE",
        "usageLimit": 1,
        "codes": {"nodes": [{"code": "HOLD-1"}]},
    }
    find = "query ($code: String!) { codeDiscountNodeByCode(code: $code) { id } }"
    found = (await ask(store, find, {"code": "hold-1"})).json()["data"]
    assert found == {"codeDiscountNodeByCode": {"id": node["id"]}}
    assert (await ask(store, find, {"code": "NOBODY"})).json()["data"] == {
        "codeDiscountNodeByCode": None
    }

    body = {"lines": [{"price": "20.00"}], "discount_codes": ["HOLD-1"]}
    stranger = await store.http.post(
        f"/control/shops/{SHOP}/orders", json={**body, "customer_id": charlie}
    )
    assert stranger.status_code == 422
    order = await store.order(bob, **body)
    assert order["total_discounts"] == "5.00"
    again = await store.http.post(
        f"/control/shops/{SHOP}/orders", json={**body, "customer_id": bob}
    )
    assert again.status_code == 422


async def test_a_code_that_exists_is_taken_and_bad_input_names_its_field(store: Store) -> None:
    bob = await store.customer()
    await ask(store, CREATE, {"input": five_off(bob)})
    again = (await ask(store, CREATE, {"input": five_off(bob, "hold-1")})).json()["data"]["made"]
    assert again["codeDiscountNode"] is None
    assert [(one["code"], one["field"]) for one in again["userErrors"]] == [
        ("TAKEN", ["basicCodeDiscount", "code"])
    ]
    wrong = {
        **five_off("1", ""),
        "usageLimit": 0,
        "endsAt": "2025-01-01T00:00:00Z",
        "startsAt": "2026-01-01T00:00:00Z",
    }
    errors = (await ask(store, CREATE, {"input": wrong})).json()["data"]["made"]["userErrors"]
    assert {one["code"] for one in errors} == {
        "BLANK",
        "INVALID",
        "GREATER_THAN",
        "END_DATE_BEFORE_START_DATE",
    }
    assert len(await store.control("GET", f"shops/{SHOP}/discounts")) == 1


async def test_a_deactivated_code_is_refused_at_the_checkout_and_a_deleted_one_can_be_made_again(
    store: Store,
) -> None:
    bob = await store.customer()
    answer = await ask(store, CREATE, {"input": five_off(bob)})
    made = answer.json()["data"]["made"]["codeDiscountNode"]
    stopped = (await ask(store, STOP, {"id": made["id"]})).json()["data"]["discountCodeDeactivate"]
    assert stopped["userErrors"] == []
    body = {"customer_id": bob, "lines": [{"price": "20.00"}], "discount_codes": ["HOLD-1"]}
    refused = await store.http.post(f"/control/shops/{SHOP}/orders", json=body)
    assert "not active" in refused.json()["error"]
    deleted = (await ask(store, DELETE, {"id": made["id"]})).json()["data"]["discountCodeDelete"]
    assert deleted["userErrors"] == []
    gone = (await ask(store, STOP, {"id": made["id"]})).json()["data"]["discountCodeDeactivate"]
    assert gone == {"codeDiscountNode": None, "userErrors": [{"code": "INVALID"}]}
    made_again = await ask(store, CREATE, {"input": five_off(bob)})
    assert made_again.json()["data"]["made"]["userErrors"] == []


@needs_schema
@pytest.mark.parametrize("version", ["2026-07", "2026-10"])
async def test_a_misspelt_field_is_caught_in_the_document_and_in_its_variables(
    store: Store, version: str
) -> None:
    bob = await store.customer()
    good = five_off(bob)
    misspelt, mistyped = {**good, "usageLimits": 1}, {**good, "usageLimit": "one"}
    answer = (await ask(store, CREATE, {"input": misspelt}, version)).json()
    assert "data" not in answer
    assert "usageLimits" in answer["errors"][0]["message"]
    assert "data" not in (await ask(store, CREATE, {"input": mistyped}, version)).json()
    assert "data" not in (await ask(store, CREATE, {}, version)).json()
    assert "data" not in (await ask(store, CREATE, {"input": good, "more": 1}, version)).json()
    answer = (await ask(store, "{ shop { nmae } }", version=version)).json()
    assert "nmae" in answer["errors"][0]["message"]
    assert await store.control("GET", f"shops/{SHOP}/discounts") == []


async def test_a_token_that_ran_out_or_belongs_to_another_shop_is_401(store: Store) -> None:
    assert (await ask(store, "{ shop { name } }")).json()["data"] == {"shop": {"name": "Alice"}}
    token = next(iter(store.world.state.of_shop("access_token", SHOP))).token
    other = await store.http.post(
        "/shops/charlie.myshopify.com/admin/api/2026-07/graphql.json",
        json={"query": "{ shop { name } }"},
        headers={"X-Shopify-Access-Token": token},
    )
    assert other.status_code == 401
    await store.control("POST", f"shops/{SHOP}/expire-tokens")
    assert (await ask(store, "{ shop { name } }")).status_code == 401


async def test_answers_tell_the_cost_and_an_empty_bucket_is_throttled_with_status_200(
    store: Store,
) -> None:
    answer = await ask(store, "{ shop { name plan { publicDisplayName } } }")
    cost = answer.json()["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["throttleStatus"]["maximumAvailable"]) == (2, 2000.0)
    # the ASGI app
    budgets: graphql.Budgets = store.http._transport.app.state.budgets  # type: ignore[attr-defined]
    budgets.take(SHOP, 2500)
    answer = await ask(store, "{ shop { name } }")
    assert answer.status_code == 200
    assert answer.json()["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert answer.json()["extensions"]["cost"]["actualQueryCost"] is None


async def test_shopify_can_fail_be_gone_be_throttled_and_be_slow(store: Store) -> None:
    query = "{ shop { name } }"
    await ask(store, query)
    for mode, status in (("fail", 500), ("gone", 503), ("throttle", 200)):
        await store.control("POST", "shopify", {"mode": mode})
        answer = await ask(store, query)
        assert answer.status_code == status
    assert answer.json()["errors"][0]["extensions"]["code"] == "THROTTLED"
    await store.control("POST", "shopify", {"mode": "slow", "seconds": 0.1})
    started = time.monotonic()
    assert (await ask(store, query)).status_code == 200
    assert time.monotonic() - started >= 0.1
    assert (await store.http.post("/control/shopify", json={"mode": "broken"})).status_code == 422


async def test_shopify_can_refuse_new_discounts_and_be_in_trouble_for_one_shop_alone(
    store: Store,
) -> None:
    bob, other = await store.customer(), "charlie.myshopify.com"
    await store.control("POST", "shopify", {"mode": "gone", "shop": other})
    await store.control("POST", "shopify", {"mode": "refuse", "shop": SHOP})
    made = (await ask(store, CREATE, {"input": five_off(bob)})).json()["data"]["made"]
    assert [one["message"] for one in made["userErrors"]] == ["This store takes no new discounts."]
    assert await store.control("GET", f"shops/{SHOP}/discounts") == []
    address = f"/shops/{other}/admin/api/2026-07/graphql.json"
    assert (await store.http.post(address, json={})).status_code == 503
    await store.control("POST", "shopify", {"mode": "normal"})
    made = (await ask(store, CREATE, {"input": five_off(bob)})).json()["data"]["made"]
    assert made["userErrors"] == []


async def test_late_shopify_does_the_work_before_it_answers(store: Store) -> None:
    bob = await store.customer()
    await ask(store, "{ shop { name } }")
    await store.control("POST", "shopify", {"mode": "late", "seconds": 30})
    asking = asyncio.create_task(ask(store, CREATE, {"input": five_off(bob)}))
    await store.until(lambda: store.world.state.tables["discount"])
    assert not asking.done()
    asking.cancel()
    made = await store.control("GET", f"shops/{SHOP}/discounts")
    assert [one["code"] for one in made] == ["HOLD-1"]


async def test_orders_are_paged_by_the_time_of_their_last_change(store: Store) -> None:
    bob = await store.customer()
    made = [await store.order(bob) for _ in range(3)]
    query = """query ($after: String, $query: String) {
      orders(first: 2, after: $after, query: $query, sortKey: UPDATED_AT) {
        nodes { id name updatedAt currentSubtotalPriceSet { shopMoney { amount } } customer { id } }
        pageInfo { hasNextPage endCursor }
      } }"""

    async def found(**variables: str) -> dict[str, Any]:
        answer: dict[str, Any] = (await ask(store, query, variables)).json()["data"]["orders"]
        return answer

    first = await found()
    assert first["pageInfo"]["hasNextPage"]
    second = await found(after=first["pageInfo"]["endCursor"])
    both = [one["id"] for one in first["nodes"] + second["nodes"]]
    assert both == [one["admin_graphql_api_id"] for one in made]
    newest = second["nodes"][0]["updatedAt"]
    since = await found(query=f"updated_at:>='{newest}'")
    told = {one["name"] for one in since["nodes"]}
    assert told, "a search is as fine as a second"
    assert all(one["updatedAt"] >= newest for one in since["nodes"])
    assert (await found(query="updated_at:>='2999-01-01T00:00:00Z'"))["nodes"] == []
    refused = (await ask(store, query, {"after": "bm9uZQ=="})).json()
    assert "Invalid cursor" in refused["errors"][0]["message"]
    assert "errors" in (await ask(store, query, {"query": "tag:vip"})).json()
