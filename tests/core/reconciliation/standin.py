"""The stand-in Shopify asked in this process: documents of ours, answered from its state."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse

from app.shopify.graphql import DOCUMENTS
from devstore.api.resolvers import Queries
from devstore.api.selection import Selection
from devstore.shop import sold, things
from devstore.shop.state import State


class StandIn:
    """A shop of the stand-in, without HTTP; `asked` counts what was asked."""

    def __init__(self, state: State, shop: str) -> None:
        self.state, self.shop = state, state.shop(shop)
        self.index_lag_seconds = 0.0
        self.trouble = self
        self.asked: list[str] = []
        self.costs: dict[str, int] = {}

    async def ask(self, document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(document)
        selection = _selection(document, variables)
        self.costs[document] = selection.cost()
        root: Any = Queries(self, self.shop)  # type: ignore[arg-type]
        return {
            field.name.value: selection.project(
                root.resolve(field, selection.arguments(field)), field
            )
            for field in selection.fields(selection.operation.selection_set, None)
        }

    def gid(self, order: sold.Order) -> str:
        return f"gid://shopify/Order/{order.id}"

    def customer(self, name: str = "Bob", **fields: Any) -> things.Customer:
        at = things.now()
        made = things.Customer(
            id=self.state.new_id(),
            shop=self.shop.domain,
            first_name=name,
            last_name="Buyer",
            email=f"{name.lower()}@example.com",
            created_at=at,
            updated_at=at,
            **fields,
        )
        self.state.put("customer", made.id, made)
        return made


@cache
def _parsed(document: str) -> Any:
    return parse(DOCUMENTS[document])


def _selection(document: str, variables: Mapping[str, Any]) -> Selection:
    parsed = _parsed(document)
    (operation,) = (one for one in parsed.definitions if isinstance(one, OperationDefinitionNode))
    fragments = {
        one.name.value: one for one in parsed.definitions if isinstance(one, FragmentDefinitionNode)
    }
    return Selection(operation, fragments, dict(variables))
