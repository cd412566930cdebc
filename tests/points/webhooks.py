"""Webhooks as Shopify writes them, told to the services by way of translation: what the tests of
orders share.
"""

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from app import db
from app.core import handlers as core
from app.flow import event as envelope
from app.flow.event import Event
from app.points import handlers
from app.shopify import payloads
from tests.points.world import ALICE, BOB

Json = dict[str, Any]
_ids = itertools.count(1)


@dataclass(frozen=True)
class Webhook:
    topic: str
    body: bytes
    shop: str = ALICE


def money(amount: str | Decimal, currency: str = "USD") -> Json:
    """In the shop's money; the customer paid in another."""
    return {
        "shop_money": {"amount": str(amount), "currency_code": currency},
        "presentment_money": {"amount": "7.77", "currency_code": "XTS"},
    }


def pair(name: str, amount: str | Decimal, currency: str = "USD") -> Json:
    return {name: str(amount), f"{name}_set": money(amount, currency)}


def line(price: str, quantity: int = 1, id_: int = 0, **more: Any) -> Json:
    """A line item; `kept`, `tax` (with `rate`), `off` (discounts) and what else Shopify writes."""
    kept = more.pop("kept", quantity)
    tax, rate = more.pop("tax", None), more.pop("rate", 0.2)
    offs = more.pop("off", ())
    return {
        "id": id_ or next(_ids),
        "current_quantity": kept,
        "gift_card": False,
        "name": "Mug",
        **pair("price", price),
        "product_exists": True,
        "quantity": quantity,
        "taxable": True,
        "title": "Mug",
        **pair("total_discount", "0.00"),
        "tax_lines": [{"title": "VAT", "rate": rate, **pair("price", tax)}] if tax else [],
        "discount_allocations": [
            {**pair("amount", off), "discount_application_index": 0} for off in offs
        ],
        **more,
    }


@dataclass
class Shop:
    """A shop's order in the making: its clock goes on with every webhook it writes."""

    shop: str = ALICE
    order_id: int = 5001
    customer: int | None = int(BOB)
    currency: str = "USD"
    taxes_included: bool = False
    now: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=1))
    placed: datetime | None = None
    refunds: list[Json] = field(default_factory=list)

    def order(
        self, topic: str, *lines: Json, status: str = "paid", outstanding: str = "0.00", **more: Any
    ) -> Webhook:
        """One of `orders/*`, as of the next second."""
        self.now += timedelta(seconds=1)
        placed = (self.placed or self.now).isoformat(timespec="seconds")
        self.placed = self.placed or self.now
        buyer: Any = {
            "id": self.customer,
            "first_name": "Bob",
            "last_name": "Buyer",
            "email": "bob@example.com",
            "state": "enabled",
        }
        body = {
            "id": self.order_id,
            "admin_graphql_api_id": f"gid://shopify/Order/{self.order_id}",
            "cancelled_at": None,
            "created_at": placed,
            "currency": self.currency,
            "customer": buyer if self.customer else None,
            "discount_codes": [],
            "financial_status": status,
            "line_items": list(lines),
            "name": f"#{self.order_id}",
            "presentment_currency": "XTS",
            "processed_at": placed,
            "refunds": list(self.refunds),
            "taxes_included": self.taxes_included,
            "test": False,
            "total_outstanding": outstanding,
            "updated_at": self.now.isoformat(timespec="seconds"),
            **more,
        }
        return Webhook(topic, json.dumps(body).encode(), self.shop)

    def refund(
        self,
        pieces: Iterable[tuple[Json, int]] = (),
        adjustments: Sequence[Json] = (),
        transactions: Sequence[Json] = (),
        *,
        is_listed: bool = True,
    ) -> Webhook:
        """`refunds/create`; the order lists it from then on."""
        self.now += timedelta(seconds=1)
        at = self.now.isoformat(timespec="seconds")
        body = {
            "id": 900_000 + next(_ids),
            "order_id": self.order_id,
            "created_at": at,
            "processed_at": at,
            "refund_line_items": [
                {
                    "id": next(_ids),
                    "line_item_id": one["id"],
                    "quantity": quantity,
                    "line_item": one,
                }
                for one, quantity in pieces
            ],
            "order_adjustments": list(adjustments),
            "transactions": list(transactions),
            "refund_shipping_lines": [],
        }
        if is_listed:
            self.refunds.append(body)
        return Webhook("refunds/create", json.dumps(body).encode(), self.shop)

    def told(self, topic: str, body: Json) -> Webhook:
        self.now += timedelta(seconds=1)
        return Webhook(topic, json.dumps(body).encode(), self.shop)


def adjustment(amount: str, kind: str | None = "refund_discrepancy") -> Json:
    told = {"id": next(_ids), **pair("amount", amount), **pair("tax_amount", "0.00")}
    told["reason"] = "Refund discrepancy"
    return {**told, "kind": kind} if kind else told


def transaction(amount: str, status: str = "success") -> Json:
    return {"id": next(_ids), "kind": "refund", "status": status, "amount": amount}


def events(webhook: Webhook, at: datetime | None = None) -> list[Event]:
    """What the road makes of a webhook; `at` is when it was triggered, where it does not say."""
    triggered = (at or datetime.now(UTC)).isoformat()
    return [
        envelope.new(
            fact.topic,
            webhook.shop,
            webhook.shop,
            fact.data,
            trace="trace-1",
            occurred_at=fact.occurred_at or triggered,
        )
        for fact in payloads.translate(webhook)
    ]


async def tell(*webhooks: Webhook, together: bool = False) -> None:
    """Handle these one by one, or in one batch, as both services do."""
    found = [events(webhook) for webhook in webhooks]
    batches = [[one for told in found for one in told]] if together else found
    for batch in batches:
        async with db.transaction() as conn:
            await handlers.handle(conn, batch)
        async with db.transaction() as conn:
            await core.handle(conn, batch)


async def tell_facts(*facts: Event) -> None:
    """Facts of our own services, in one batch, to points."""
    async with db.transaction() as conn:
        await handlers.handle(conn, list(facts))
