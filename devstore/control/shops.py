"""Control of a shop: its settings and customers, its discounts, and the tokens it gives."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devstore import signing
from devstore.api import tokens
from devstore.control.body import answer, customer_of, read
from devstore.shop import acts
from devstore.webhooks import payload_people
from devstore.world import shop_of, world_of


class Merging(msgspec.Struct, forbid_unknown_fields=True):
    into: int | str
    status: str = "completed"


class Tagging(msgspec.Struct, forbid_unknown_fields=True):
    add: list[str] = []
    remove: list[str] = []


class NewCollection(msgspec.Struct, forbid_unknown_fields=True):
    title: str = "Things"
    product_ids: list[int] = []
    id: int | None = None  # of one there is


class Consenting(msgspec.Struct, forbid_unknown_fields=True):
    subscribed: bool = True


class ShopSettings(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What is None stays as it is."""

    currency: str | None = None
    timezone: str | None = None
    taxes_included: bool | None = None
    tax_percent: float | None = None
    tax_on_first_line: bool | None = None
    presentment_currency: str | None = None
    exchange_rate: float | None = None


class Proxied(msgspec.Struct):
    path: str
    customer_id: int | str | None = None


class Extension(msgspec.Struct):
    customer_id: int | str | None = None


# customers


async def add_customer(request: Request) -> Response:
    fields = await read(request, dict[str, str])
    made = acts.add_customer(world_of(request), shop_of(request), fields)
    return answer(
        {**payload_people.customer(made, shop_of(request).currency), "id": made.id}, status_code=201
    )


async def edit_customer(request: Request) -> Response:
    world, fields = world_of(request), await read(request, dict[str, str])
    customer = customer_of(request, request.path_params["id"])
    acts.change_customer(world, customer, fields)
    return answer(payload_people.customer(customer, shop_of(request).currency))


async def consent(request: Request) -> Response:
    """What a customer says to e-mail marketing; answers the body that is sent."""
    asked = await read(request, Consenting)
    customer = customer_of(request, request.path_params["id"])
    acts.consent(world_of(request), customer, is_subscribed=asked.subscribed)
    return answer(payload_people.consent(customer))


async def delete_customer(request: Request) -> Response:
    world = world_of(request)
    customer = customer_of(request, request.path_params["id"])
    acts.delete_customer(world, customer)
    return answer({"id": customer.id})


async def merge_customer(request: Request) -> Response:
    """The customer of the address is gone afterwards, and `into` is kept."""
    asked = await read(request, Merging)
    gone, kept = (customer_of(request, one) for one in (request.path_params["id"], asked.into))
    acts.merge_customers(world_of(request), kept, gone, status=asked.status)
    return answer({"kept": kept.id, "gone": gone.id, "status": asked.status})


async def tell_purchases(request: Request) -> Response:
    """`customers/purchasing_summary`."""
    customer = customer_of(request, request.path_params["id"])
    world_of(request).tell_purchases(customer)
    return answer({"id": customer.id}, status_code=202)


async def tag_customer(request: Request) -> Response:
    """Tags given and taken; each kind is told by its own webhook."""
    asked = await read(request, Tagging)
    customer = customer_of(request, request.path_params["id"])
    acts.tag(world_of(request), customer, asked.add, asked.remove)
    return answer({"id": customer.id, "tags": customer.tags})


async def put_collection(request: Request) -> Response:
    """Make a collection, or change what is in it."""
    asked = await read(request, NewCollection)
    made = acts.put_collection(
        world_of(request), shop_of(request), asked.title, asked.product_ids, asked.id
    )
    return answer(payload_people.collection(made), status_code=201)


async def change_settings(request: Request) -> Response:
    """Currency, time zone and taxes; answers the body of the `shop/update` it sends."""
    asked, shop = await read(request, ShopSettings), shop_of(request)
    wanted = msgspec.to_builtins(asked)
    if "tax_on_first_line" in wanted:
        wanted["is_tax_on_first_line"] = wanted.pop("tax_on_first_line")
    acts.change_shop(world_of(request), shop, wanted)
    return answer(payload_people.shop(shop))


# discounts and tokens


async def list_discounts(request: Request) -> Response:
    found = world_of(request).state.of_shop("discount", shop_of(request).domain)
    return answer(msgspec.to_builtins(list(found)))


async def list_credits(request: Request) -> Response:
    """Gift cards, and the movements of store credit."""
    state, domain = world_of(request).state, shop_of(request).domain
    found = {
        "gift_cards": list(state.of_shop("gift_card", domain)),
        "credits": list(state.of_shop("credit", domain)),
    }
    return answer(msgspec.to_builtins(found))


async def give_id_token(request: Request) -> Response:
    token = signing.id_token(world_of(request).settings, shop_of(request).domain)
    return answer({"id_token": token})


async def give_extension_token(request: Request) -> Response:
    asked = await read(request, Extension)
    token = signing.extension_token(
        world_of(request).settings, shop_of(request).domain, asked.customer_id
    )
    return answer({"token": token})


async def give_proxy_url(request: Request) -> Response:
    world, asked = world_of(request), await read(request, Proxied)
    path, _, query = asked.path.removeprefix("/storefront").partition("?")
    domain = shop_of(request).domain
    url = signing.proxied_url(world.settings, domain, path, asked.customer_id, query)
    return answer({"url": url})


async def expire_tokens(request: Request) -> Response:
    world = world_of(request)
    return answer({"expired": tokens.expire_access(world.state, shop_of(request))})


SHOP = "/control/shops/{shop}"
routes = [
    Route(SHOP + "/customers", add_customer, methods=["POST"]),
    Route(SHOP + "/customers/{id}", edit_customer, methods=["PATCH"]),
    Route(SHOP + "/customers/{id}", delete_customer, methods=["DELETE"]),
    Route(SHOP + "/customers/{id}/consent", consent, methods=["POST"]),
    Route(SHOP + "/customers/{id}/merge", merge_customer, methods=["POST"]),
    Route(SHOP + "/customers/{id}/purchases", tell_purchases, methods=["POST"]),
    Route(SHOP + "/customers/{id}/tags", tag_customer, methods=["POST"]),
    Route(SHOP + "/collections", put_collection, methods=["POST"]),
    Route(SHOP + "/settings", change_settings, methods=["POST"]),
    Route(SHOP + "/discounts", list_discounts),
    Route(SHOP + "/credits", list_credits),
    Route(SHOP + "/id-token", give_id_token),
    Route(SHOP + "/extension-token", give_extension_token, methods=["POST"]),
    Route(SHOP + "/proxy-url", give_proxy_url, methods=["POST"]),
    Route(SHOP + "/expire-tokens", expire_tokens, methods=["POST"]),
]
