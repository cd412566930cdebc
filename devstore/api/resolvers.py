"""The queries and mutations of the Admin API that the stand-in store answers."""

import re
from typing import Any

from graphql import FieldNode, GraphQLError

from devstore.api import credit_nodes, discount_input, nodes, order_nodes, searching
from devstore.shop import things
from devstore.world import World


def number(gid: object, kind: str) -> int:
    """The number in `gid://shopify/{kind}/{number}`; 0, which is nobody's, for anything else."""
    found = re.fullmatch(rf"gid://shopify/{kind}/(\d+)", str(gid))
    return int(found[1]) if found else 0


class Root:
    """Dispatches a root field to the method of its name (in snake case)."""

    def __init__(self, world: World, shop: things.Shop) -> None:
        self.world, self.state, self.shop = world, world.state, shop

    def resolve(self, field: FieldNode, arguments: dict[str, Any]) -> Any:
        """Raises GraphQLError for what the stand-in store cannot do."""
        name = field.name.value
        method = getattr(self, "field_" + re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), None)
        if method is None:
            raise GraphQLError(f"The stand-in store does not know {name}.", field)
        return method(arguments)

    def discount(self, gid: object) -> things.Discount | None:
        found: things.Discount | None = self.state.find(
            "discount", self.shop.domain, number(gid, "DiscountCodeNode")
        )
        return found

    def customer(self, gid: object) -> things.Customer | None:
        found: things.Customer | None = self.state.find(
            "customer", self.shop.domain, number(gid, "Customer")
        )
        return found

    @property
    def is_refusing(self) -> bool:
        return self.world.trouble.of(self.shop.domain) == "refuse"


class Queries(Root):
    def field_shop(self, _: dict[str, Any]) -> Any:
        return nodes.shop(self.shop)

    def field_code_discount_node_by_code(self, arguments: dict[str, Any]) -> Any:
        found = self.state.discount_by_code(self.shop.domain, str(arguments["code"]))
        return nodes.discount(self.shop, found) if found else None

    def field_code_discount_node(self, arguments: dict[str, Any]) -> Any:
        found = self.discount(arguments["id"])
        return nodes.discount(self.shop, found) if found else None

    def field_discount_nodes(self, arguments: dict[str, Any]) -> Any:
        """Those made since a moment: any other search is refused, not ignored."""
        since = credit_nodes.made_since(str(arguments.get("query") or ""))
        if since is None:
            raise GraphQLError("The stand-in store finds discounts by when they were made.")
        found = [
            (str(one.id), nodes.any_discount(self.shop, one))
            for one in self.state.of_shop("discount", self.shop.domain)
            if since(one.created_at)
        ]
        return credit_nodes.paged("DiscountNode", found, arguments)

    def field_customer(self, arguments: dict[str, Any]) -> Any:
        found = self.customer(arguments["id"])
        if found is None or found.is_deleted:
            return None
        return {
            **nodes.customer(self.state, self.shop, found),
            "storeCreditAccounts": credit_nodes.accounts(self.state, self.shop, found),
        }

    def field_gift_cards(self, arguments: dict[str, Any]) -> Any:
        return credit_nodes.find_cards(self.state, self.shop, arguments)

    def field_customer_by_identifier(self, arguments: dict[str, Any]) -> Any:
        asked = arguments["identifier"]
        if set(asked) != {"emailAddress"}:
            raise GraphQLError("The stand-in store finds customers by their e-mail address.")
        email = str(asked["emailAddress"]).casefold()
        people = self.state.of_shop("customer", self.shop.domain)
        found = next(
            (one for one in people if one.email.casefold() == email and not one.is_deleted), None
        )
        return nodes.customer(self.state, self.shop, found) if found else None

    def field_order(self, arguments: dict[str, Any]) -> Any:
        found = self.state.find("order", self.shop.domain, number(arguments["id"], "Order"))
        return order_nodes.order(self.state, self.shop, found) if found else None

    def field_collection(self, arguments: dict[str, Any]) -> Any:
        found: things.Collection | None = self.state.find(
            "collection", self.shop.domain, number(arguments["id"], "Collection")
        )
        return nodes.collection(found) if found else None

    def field_nodes(self, arguments: dict[str, Any]) -> Any:
        """Products and collections alone; null for those that are not there."""
        return [self._thing(str(gid)) for gid in arguments["ids"]]

    def _thing(self, gid: str) -> Any:
        if found := self.state.find("product", self.shop.domain, number(gid, "Product")):
            return {"__typename": "Product", "id": gid, "title": found.title}
        if found := self.state.find("collection", self.shop.domain, number(gid, "Collection")):
            return nodes.collection(found)
        return None

    def field_refund(self, arguments: dict[str, Any]) -> Any:
        wanted = number(arguments["id"], "Refund")
        for order in self.state.of_shop("order", self.shop.domain):
            for one in order.refunds:
                if one.id == wanted:
                    return order_nodes.refund(order, one)
        return None

    def field_orders(self, arguments: dict[str, Any]) -> Any:
        orders = list(self.state.of_shop("order", self.shop.domain))
        found = searching.found(orders, arguments, searching.ORDERS, self.world.index_lag_seconds)
        return searching.page(
            "Order", found, arguments, lambda one: order_nodes.order(self.state, self.shop, one)
        )

    def field_customers(self, arguments: dict[str, Any]) -> Any:
        people = [
            one for one in self.state.of_shop("customer", self.shop.domain) if not one.is_deleted
        ]
        lag_seconds = self.world.index_lag_seconds
        found = searching.found(people, arguments, searching.CUSTOMERS, lag_seconds)
        return searching.page(
            "Customer", found, arguments, lambda one: nodes.customer(self.state, self.shop, one)
        )


class Mutations(Root):
    def field_discount_code_basic_create(self, arguments: dict[str, Any]) -> Any:
        return self._create(arguments, discount_input.BASIC, "DiscountCodeBasicCreatePayload")

    def field_discount_code_free_shipping_create(self, arguments: dict[str, Any]) -> Any:
        payload = "DiscountCodeFreeShippingCreatePayload"
        return self._create(arguments, discount_input.SHIPPING, payload)

    def field_discount_code_bxgy_create(self, arguments: dict[str, Any]) -> Any:
        return self._create(arguments, discount_input.BXGY, "DiscountCodeBxgyCreatePayload")

    def _create(self, arguments: dict[str, Any], root: str, payload: str) -> Any:
        made, errors = discount_input.read(self.state, self.shop, arguments[root], root)
        if self.is_refusing:
            made, errors = None, [discount_input.refusal(root)]
        if made:
            self.state.put("discount", made.id, made)
        return {
            "__typename": payload,
            "codeDiscountNode": nodes.discount(self.shop, made) if made else None,
            "userErrors": errors,
        }

    def field_gift_card_create(self, arguments: dict[str, Any]) -> Any:
        return credit_nodes.make_card(
            self.state, self.shop, arguments["input"], is_refused=self.is_refusing
        )

    def field_gift_card_deactivate(self, arguments: dict[str, Any]) -> Any:
        return credit_nodes.end_card(self.state, self.shop, number(arguments["id"], "GiftCard"))

    def field_store_credit_account_credit(self, arguments: dict[str, Any]) -> Any:
        return credit_nodes.credit(
            self.state,
            self.shop,
            self.customer(arguments["id"]),
            arguments["creditInput"],
            is_refused=self.is_refusing,
        )

    def field_store_credit_account_debit(self, arguments: dict[str, Any]) -> Any:
        customer = self.customer(arguments["id"])
        return credit_nodes.debit(self.state, self.shop, customer, arguments["debitInput"])

    def field_discount_code_deactivate(self, arguments: dict[str, Any]) -> Any:
        found = self.discount(arguments["id"])
        if found:
            found.is_active = False
            found.ends_at = found.updated_at = things.now()
            self.state.put("discount", found.id, found)
        return {
            "__typename": "DiscountCodeDeactivatePayload",
            "codeDiscountNode": nodes.discount(self.shop, found) if found else None,
            "userErrors": [] if found else [_no_such_discount()],
        }

    def field_discount_code_delete(self, arguments: dict[str, Any]) -> Any:
        found = self.discount(arguments["id"])
        if found:
            self.state.drop("discount", found.id)
        return {
            "__typename": "DiscountCodeDeletePayload",
            "deletedCodeDiscountId": arguments["id"] if found else None,
            "userErrors": [] if found else [_no_such_discount()],
        }


def _no_such_discount() -> dict[str, Any]:
    return discount_input.error(["id"], "INVALID", "Code discount does not exist.")
