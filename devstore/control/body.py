"""Reads the JSON bodies of the control API."""

from typing import TypeVar

import msgspec
from starlette.requests import Request

from devstore.errors import FormError

Body = TypeVar("Body")


async def read(request: Request, type_: type[Body]) -> Body:
    """The JSON body; raises FormError when it has another shape."""
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=type_)
    except msgspec.DecodeError as error:
        raise FormError(str(error)) from None
