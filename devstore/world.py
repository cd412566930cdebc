"""Everything the pages and APIs of the stand-in store share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import httpx
from starlette.requests import Request

from devstore.settings import Settings
from devstore.shop import things
from devstore.shop.state import State
from devstore.trouble import Trouble
from devstore.webhooks import payload_people, payload_refunds, payloads
from devstore.webhooks.sending import Event, Webhooks


@dataclass
class World:
    settings: Settings
    state: State
    client: httpx.AsyncClient
    webhooks: Webhooks
    trouble: Trouble = field(default_factory=Trouble)

    def tell_order(
        self, order: things.Order, *topics: str, refunds: Iterable[things.Refund] = ()
    ) -> None:
        """Send the order under each topic, and each refund as `refunds/create`, as one event."""
        body = payloads.order(self.state, order)
        event: Event = [("refunds/create", payload_refunds.refund(order, one)) for one in refunds]
        event += [(topic, body) for topic in topics]
        self.webhooks.send(self.state.shop(order.shop), event, size_bytes=order.size_bytes)

    def tell_customer(self, customer: things.Customer, topic: str) -> None:
        shop = self.state.shop(customer.shop)
        body = (
            payload_people.customer_deleted(customer)
            if topic == "customers/delete"
            else payload_people.customer(customer, shop.currency)
        )
        self.webhooks.send(shop, [(topic, body)])

    def tell_uninstalled(self, shop: things.Shop) -> None:
        self.webhooks.send_anyway(shop.domain, [("app/uninstalled", payload_people.shop(shop))])

    def tell_compliance(
        self,
        topic: str,
        shop: things.Shop,
        customer: things.Customer | None,
        order_ids: Sequence[int],
    ) -> None:
        body = payload_people.compliance(topic, shop, customer, order_ids, self.state.new_id())
        self.webhooks.send_anyway(shop.domain, [(topic, body)])


def world_of(request: Request) -> World:
    world: World = request.app.state.world
    return world


def shop_of(request: Request) -> things.Shop:
    """The shop of the address, by its full name or its handle."""
    parameters = request.path_params
    name = parameters.get("shop") or f"{parameters['handle']}.myshopify.com"
    return world_of(request).state.shop(name)
