"""Everything the pages and APIs of the stand-in store share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import httpx
from starlette.requests import Request

from devstore.settings import Settings
from devstore.shop import sold, things
from devstore.shop.state import State
from devstore.trouble import Trouble
from devstore.webhooks import payload_changes, payload_people, payload_refunds, payloads
from devstore.webhooks.sending import Event, Webhooks


@dataclass
class World:
    settings: Settings
    state: State
    client: httpx.AsyncClient
    webhooks: Webhooks
    trouble: Trouble = field(default_factory=Trouble)
    index_lag_seconds: float = 0.0  # for so long searches do not find what has changed

    def tell_order(
        self,
        order: sold.Order,
        *topics: str,
        refunds: Iterable[sold.Refund] = (),
        edits: Iterable[sold.Edit] = (),
        returns: Iterable[tuple[str, sold.Return]] = (),
    ) -> None:
        """Send the order under each topic, and what belongs to it under its own, as one event."""
        body = payloads.order(self.state, order)
        event: Event = [("orders/edited", payload_changes.order_edited(order, it)) for it in edits]
        event += [(topic, payload_changes.return_told(topic, order, one)) for topic, one in returns]
        event += [("refunds/create", payload_refunds.refund(order, one)) for one in refunds]
        event += [(topic, body) for topic in topics]
        self.webhooks.send(self.state.shop(order.shop), event, size_bytes=order.size_bytes)

    def tell_order_deleted(self, order: sold.Order) -> None:
        shop = self.state.shop(order.shop)
        self.webhooks.send(shop, [("orders/delete", payload_changes.order_deleted(order))])

    def tell_customer(self, customer: things.Customer, topic: str) -> None:
        shop = self.state.shop(customer.shop)
        body = (
            payload_people.customer_deleted(customer)
            if topic == "customers/delete"
            else payload_people.customer(customer, shop.currency)
        )
        self.webhooks.send(shop, [(topic, body)])

    def tell_consent(self, customer: things.Customer) -> None:
        shop = self.state.shop(customer.shop)
        body = payload_people.consent(customer)
        self.webhooks.send(shop, [("customers_email_marketing_consent/update", body)])

    def tell_merge(self, kept: things.Customer, gone: things.Customer, status: str) -> None:
        shop = self.state.shop(kept.shop)
        event: Event = [("customers/merge", payload_changes.merged(kept, gone, status))]
        if status == "completed":
            event.append(("customers/update", payload_people.customer(kept, shop.currency)))
        self.webhooks.send(shop, event)

    def tell_purchases(self, customer: things.Customer) -> None:
        shop = self.state.shop(customer.shop)
        bought = [
            one
            for one in self.state.of_shop("order", shop.domain)
            if one.customer_id == customer.id and one.is_paid
        ]
        body = payload_changes.purchases(customer, shop.currency, bought, things.now())
        self.webhooks.send(shop, [("customers/purchasing_summary", body)])

    def tell_tags(self, customer: things.Customer, topic: str, tags: Sequence[str]) -> None:
        body = payload_people.tags(customer, tags, things.now())
        self.webhooks.send(self.state.shop(customer.shop), [(topic, body)])

    def tell_collection(self, collection: things.Collection, topic: str) -> None:
        body = payload_people.collection(collection)
        self.webhooks.send(self.state.shop(collection.shop), [(topic, body)])

    def tell_shop(self, shop: things.Shop) -> None:
        self.webhooks.send(shop, [("shop/update", payload_people.shop(shop))])

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
