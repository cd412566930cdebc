"""Orders that a merchant changes, and how a test reads what was told of them."""

from typing import Any

from tests.devstore.conftest import SHOP, Store

Body = dict[str, Any]


class Shop:
    """Orders of Bob in a shop without taxes, and what the app was told of them."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def order(self, *lines: Body, **fields: Any) -> Body:
        fields = {"tax_percent": 0, "shipping": "0", **fields}
        return await self.store.order(fields.pop("customer_id", None), lines=list(lines), **fields)

    async def act(self, order: Body, verb: str, **body: Any) -> Body:
        path = f"shops/{SHOP}/orders/{order['id']}/{verb}"
        made: Body = await self.store.control("POST", path, body)
        return made

    async def told(self, topic: str) -> list[Body]:
        await self.store.until(lambda: not self.store.world.webhooks.waiting)
        return self.store.app.payloads(topic)

    async def now(self, order: Body) -> Body:
        shown: Body = await self.store.control("GET", f"shops/{SHOP}/orders/{order['id']}")
        return shown


def mug(price: str, quantity: int = 1, **fields: Any) -> Body:
    return {"title": "Mug", "price": price, "quantity": quantity, **fields}


def piece(order: Body, quantity: int = 1, index: int = 0) -> Body:
    return {"line_id": order["line_items"][index]["id"], "quantity": quantity}


def sums(order: Body) -> tuple[str, str, str, str]:
    names = ("financial_status", "total_price", "current_total_price", "total_outstanding")
    return tuple(order[name] for name in names)  # type: ignore[return-value]


def amounts(refund: Body) -> list[str]:
    return [one["amount"] for one in refund["order_adjustments"]]
