"""The stand-in store as these tests ask it, in this process: every document against its schema, and
what becomes of it in a shop.
"""

from typing import Any

import httpx

from app.errors import UnavailableError
from app.shopify.graphql import DOCUMENTS, ShopifyRefusedError
from devstore.shop import acts, orders, sold, things
from devstore.shop import credits as credits_
from devstore.world import World
from tests.points.world import ALICE

TOKEN = "shpat_for_the_tests_of_rewards"


class Store:
    """Alice's shop, with Bob in it; `call` stands for the way to Shopify."""

    def __init__(self, world: World, http: httpx.AsyncClient) -> None:
        self.world, self.http, self.state = world, http, world.state
        self.shop = world.state.shop(ALICE)
        world.state.put("access_token", TOKEN, things.AccessToken(TOKEN, ALICE, None))
        self.calls: list[str] = []
        self.failing: list[str] = []  # documents that do not arrive, one call each
        fields = {"first_name": "Bob", "last_name": "Buyer", "email": "bob@example.com"}
        self.bob = acts.add_customer(world, self.shop, fields)
        self.mug, self.bag, _ = world.state.of_shop("product", ALICE)

    async def call(
        self, _client: Any, config: Any, shop: str, document: str, variables: dict[str, Any]
    ) -> dict[str, Any]:
        self.calls.append(document)
        if document in self.failing:
            self.failing.remove(document)
            raise UnavailableError("Shopify is not answering at the moment.")
        answer = await self.http.post(
            f"/shops/{shop}/admin/api/{config.api_version}/graphql.json",
            json={"query": DOCUMENTS[document], "variables": variables},
            headers={"X-Shopify-Access-Token": TOKEN},
        )
        if answer.status_code >= 500:
            raise UnavailableError("Shopify is not answering at the moment.")
        body = answer.json()
        if any(one["extensions"]["code"] == "ACCESS_DENIED" for one in body.get("errors", ())):
            raise ShopifyRefusedError(403)
        assert "errors" not in body, body
        found: dict[str, Any] = body["data"]
        return found

    def lose(self) -> None:
        """From now on Shopify does the work, and no answer arrives."""
        self.world.trouble.change("lost")

    def fail(self, document: str) -> None:
        """The next call with it does not arrive."""
        self.failing.append(document)

    def answer(self) -> None:
        self.world.trouble.change("normal")

    def deny(self) -> None:
        """From now on the app lacks the permission."""
        self.world.trouble.change("deny")

    def refuse(self) -> None:
        self.world.trouble.change("refuse")

    @property
    def discounts(self) -> list[things.Discount]:
        return list(self.state.of_shop("discount", ALICE))

    @property
    def cards(self) -> list[things.GiftCard]:
        return list(self.state.of_shop("gift_card", ALICE))

    @property
    def credits(self) -> list[things.Credit]:
        return credits_.movements(self.state, ALICE, self.bob.id)

    @property
    def credit_cents(self) -> int:
        return credits_.balance(self.state, ALICE, self.bob)

    def collection(self, *products: things.Product) -> str:
        """A collection of these, by its number."""
        ids = [one.id for one in products]
        return str(acts.put_collection(self.world, self.shop, "Chosen", ids).id)

    def buy(self, *items: things.Item, codes: tuple[str, ...] = (), **how: Any) -> sold.Order:
        """Bob buys these, and pays."""
        basket = things.Basket(list(items), self.bob)
        placing = sold.Placing(**how)
        return orders.place(self.state, self.shop, basket, codes=codes, how=placing)
