"""Reads what the control API is asked: JSON bodies, and the customer or order of an address."""

from typing import TypeVar

import msgspec
from starlette.requests import Request

from devstore.errors import FormError
from devstore.shop import sold, things
from devstore.world import shop_of, world_of

Body = TypeVar("Body")


async def read(request: Request, type_: type[Body]) -> Body:
    """The JSON body; raises FormError when it has another shape."""
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=type_)
    except msgspec.DecodeError as error:
        raise FormError(str(error)) from None


def customer_of(request: Request, customer_id: int | str) -> things.Customer:
    """Raises FormError for a customer the shop of the address does not have."""
    world = world_of(request)
    found: things.Customer | None = world.state.find(
        "customer", shop_of(request).domain, customer_id
    )
    if found is None or found.is_deleted:
        raise FormError("There is no such customer in this shop.")
    return found


def order_of(request: Request) -> sold.Order:
    """Raises FormError for an order the shop of the address does not have."""
    found: sold.Order | None = world_of(request).state.find(
        "order", shop_of(request).domain, request.path_params["id"]
    )
    if found is None:
        raise FormError("There is no such order in this shop.")
    return found
