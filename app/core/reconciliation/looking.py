"""One look at a shop, page after page: what is not known is told, and how far it got is kept."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from app.core import admin_api, reads
from app.core.reconciliation import asking, known, rules, telling
from app.core.reconciliation.asking import Changed, TooLargeError
from app.core.reconciliation.rules import Look
from app.db import Stores
from app.flow.lanes.lane import LaneItem
from app.shopify import graphql
from app.shopify.retold import parts, people
from app.shopify.retold.parts import Json
from app.telemetry import logs, metrics

ROOM_POINTS = 400.0  # of a shop's budget stay for its shoppers
ROOM_SECONDS = 0.5  # until it is looked again for room in a lane
WAIT_SECONDS_MAX = 10.0
CONSENT = "customers_email_marketing_consent/update"

Save = Callable[[Look], Awaitable[None]]
log = logs.logger()


class Looker:
    """What a look needs: stores, a client, and until when (monotonic seconds) it goes on."""

    def __init__(
        self, stores: Stores, client: httpx.AsyncClient, ends_at: float, stop: asyncio.Event
    ) -> None:
        self.stores, self.client, self.ends_at, self.stop = stores, client, ends_at, stop

    @property
    def is_over(self) -> bool:
        return self.stop.is_set() or time.monotonic() >= self.ends_at

    def ask(self, shop: str) -> asking.Ask:
        async def ask(document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
            await self._wait_for_budget(shop, document)
            return await admin_api.call(self.client, self.stores.config, shop, document, variables)

        return ask

    async def _wait_for_budget(self, shop: str, document: str) -> None:
        """Shoppers go first: a call waits until enough is left for theirs."""
        cost = graphql.budgets.cost(document) + ROOM_POINTS
        waited = 0.0
        while (seconds := graphql.budgets.wait_seconds(shop, cost)) > 0:
            if waited >= WAIT_SECONDS_MAX:
                raise graphql.ThrottledError(graphql.BUSY)
            pause = min(seconds, 1.0)
            waited += pause
            await asyncio.sleep(pause)

    async def wait_for_room(self, shop: str) -> bool:
        """Wait until the shop has little waiting; False when the time is over before."""
        while not await telling.has_room(self.stores, shop):
            if self.is_over:
                return False
            await asyncio.sleep(ROOM_SECONDS)
        return True


async def go_on(looker: Looker, look: Look, save: Save) -> bool:
    """Look on until all is looked at (True), or the time is over; `save` is called in between.

    Raises as `admin_api.call`, redis errors, and what `save` raises.
    """
    while not looker.is_over:
        is_whole = await STEPS[look.part](looker, look)
        if not is_whole:
            break
        if look.cursor is None and not look.next_part():
            return True
        await save(look)
    return False


async def _orders(looker: Looker, look: Look) -> bool:
    """A page of orders; False when the time was over before its end."""
    ask = looker.ask(look.shop)
    found, cursor = await asking.changed(ask, look.since, look.until, look.cursor)
    for one in await _unknown(look, found):
        if looker.is_over or not await looker.wait_for_room(look.shop):
            return False
        await _tell_order(looker, look, one)
    look.found += len(found)
    look.cursor = cursor
    metrics.RECONCILED.labels("order", "found").inc(len(found))
    return True


async def _unknown(look: Look, found: Sequence[Changed]) -> list[Changed]:
    if not found:
        return []
    heard = await known.told(look.shop, found[0].at, found[-1].at)
    rest = [one for one in found if not rules.is_known(heard.orders, one.number, one.at)]
    ids = {rules.webhook_id("order", one.number, one.at): one for one in rest}
    taken = await telling.taken_in(look.shop, list(ids))
    look.waiting += len((look.asked & ids.keys()) - taken)
    return [one for name, one in ids.items() if name not in taken | look.asked]


async def _tell_order(looker: Looker, look: Look, one: Changed) -> None:
    stores, shop = looker.stores, look.shop
    name = rules.webhook_id("order", one.number, one.at)
    try:
        body = await asking.order(looker.ask(shop), one.gid)
    except TooLargeError as error:
        named = {"id": one.number, "admin_graphql_api_id": one.gid}
        large = telling.item(stores, shop, "orders/updated", name, named, rules.stamp(one.at))
        await telling.set_aside(large, error)
        return
    look.asked.add(name)
    if body is None:
        return  # deleted meanwhile; of that Shopify tells by a webhook alone
    at = rules.moment(body["updated_at"])
    name = rules.webhook_id("order", one.number, at)
    items = [telling.item(stores, shop, "orders/updated", name, body, body["updated_at"])]
    if body["cancelled_at"]:  # which says nothing of what came back
        items = [*_refunds(looker, shop, body), *items]
    if await telling.tell(stores, items):
        look.told += 1
        metrics.RECONCILED.labels("order", "told").inc()
    else:
        look.waiting += 1


def _refunds(looker: Looker, shop: str, body: Json) -> list[LaneItem]:
    return [
        telling.item(
            looker.stores,
            shop,
            "refunds/create",
            rules.webhook_id("refund", refund["id"], rules.moment(refund["processed_at"])),
            refund,
            refund["processed_at"],
        )
        for refund in body["refunds"]
    ]


async def _customers(looker: Looker, look: Look) -> bool:
    ask = looker.ask(look.shop)
    found, cursor = await asking.customers(ask, look.since, look.cursor)
    within = [one for one in found if rules.moment(one["updatedAt"]) <= look.until]
    if within:
        moments = [rules.moment(one["updatedAt"]) for one in within]
        heard = await known.told(look.shop, min(moments), max(moments))
        items = [one for told in within for one in _said(looker, look, told, heard)]
        taken = await telling.taken_in(look.shop, [one.webhook_id for one in items])
        for one in items:
            if one.webhook_id in taken:
                continue
            if looker.is_over or not await looker.wait_for_room(look.shop):
                return False
            told = await telling.tell(looker.stores, [one])
            look.others += told
            look.waiting += 1 - told
            metrics.RECONCILED.labels("customer", "told").inc(told)
    look.cursor = cursor
    return True


def _said(looker: Looker, look: Look, told: Json, heard: rules.Known) -> list[LaneItem]:
    """What is not known of a customer, and of their word on e-mails in that time."""
    number, said_at = parts.number(told["id"]), told["updatedAt"]
    bodies: list[tuple[str, str, Json, str]] = []
    if not rules.is_known(heard.customers, number, rules.moment(said_at)):
        bodies.append(("customer", "customers/update", people.customer(told), said_at))
        if tags := people.tags(told):
            bodies.append(("tags", "customer.tags_added", tags, said_at))
    if consent := people.consent(told):
        said_at = consent["email_marketing_consent"]["consent_updated_at"]
        at = rules.moment(said_at)
        if at >= look.since and not rules.is_known(heard.consents, number, at):
            bodies.append(("consent", CONSENT, consent, said_at))
    return [
        telling.item(
            looker.stores,
            look.shop,
            topic,
            rules.webhook_id(kind, number, rules.moment(at)),
            body,
            at,
        )
        for kind, topic, body, at in bodies
    ]


async def _shop(looker: Looker, look: Look) -> bool:
    """The shop itself, where it says something else than is known of it."""
    body = await asking.shop(looker.ask(look.shop))
    info = await reads.shop(look.shop)
    said = (body["name"], body["currency"], body["iana_timezone"])
    if info is None or not info.name or said == (info.name, info.currency, info.timezone):
        return True
    name = rules.shop_webhook_id(body["id"], said, datetime.now(UTC))
    if name not in await telling.taken_in(look.shop, [name]):
        one = telling.item(looker.stores, look.shop, "shop/update", name, body, body["updated_at"])
        told = await telling.tell(looker.stores, [one])
        look.others += told
        metrics.RECONCILED.labels("shop", "told").inc(told)
    return True


STEPS: dict[str, Callable[[Looker, Look], Awaitable[bool]]] = {
    "orders": _orders,
    "customers": _customers,
    "shop": _shop,
}
