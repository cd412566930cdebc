"""Reads what the control API is asked: JSON bodies, and the customer or order of an address."""

from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from devstore.errors import FormError
from devstore.shop import sold, things
from devstore.webhooks.sending import as_json
from devstore.world import shop_of, world_of

Body = TypeVar("Body")


async def read(request: Request, type_: type[Body]) -> Body:
    """The JSON body; raises FormError when it has another shape."""
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=type_)
    except msgspec.DecodeError as error:
        raise FormError(str(error)) from None


def answer(content: object, status_code: int = 200) -> Response:
    """JSON that can say all that a webhook body can: half a surrogate pair has no UTF-8."""
    return Response(as_json(content), status_code, media_type="application/json")


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
