"""Everything the pages and APIs of the stand-in store share."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.requests import Request

from devstore.settings import Settings
from devstore.shop import things
from devstore.shop.state import State
from devstore.trouble import Trouble
from devstore.webhooks import payload_people, payloads
from devstore.webhooks.sending import Webhooks


@dataclass
class World:
    settings: Settings
    state: State
    client: httpx.AsyncClient
    webhooks: Webhooks
    trouble: Trouble = field(default_factory=Trouble)

    def shop_of(self, thing: things.Order | things.Customer) -> things.Shop:
        return self.state.shop(thing.shop)

    def tell_order(
        self, order: things.Order, *topics: str, refunds: Iterable[things.Refund] = ()
    ) -> None:
        """Send the order under each topic, and each refund as `refunds/create`, as one event."""
        body = payloads.order(self.state, order)
        event: list[tuple[str, dict[str, Any]]] = [
            ("refunds/create", payloads.refund(order, one)) for one in refunds
        ]
        self.webhooks.send(self.shop_of(order), event + [(topic, body) for topic in topics])

    def tell_customer(self, customer: things.Customer, topic: str) -> None:
        shop = self.shop_of(customer)
        is_deleted = topic == "customers/delete"
        body = (
            payload_people.customer_deleted(customer)
            if is_deleted
            else payload_people.customer(customer, shop.currency)
        )
        self.webhooks.send(shop, [(topic, body)])


def world_of(request: Request) -> World:
    world: World = request.app.state.world
    return world
