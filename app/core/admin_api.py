"""The one way to call Shopify's Admin API for a shop: its token, its budget, and the guard
around Shopify.
"""

from collections.abc import Mapping
from typing import Any

import httpx

from app.config import Config
from app.core import tokens
from app.resilience.guard import Resource, guard
from app.shopify import graphql
from app.shopify.graphql import ThrottledError

DEADLINE_SECONDS = 5.0  # a renewal of the token included
SHOPIFY = Resource("shopify", DEADLINE_SECONDS, tickets=64, by_shop=True)


async def call(
    client: httpx.AsyncClient,
    config: Config,
    shop: str,
    document_name: str,
    variables: Mapping[str, Any],
) -> dict[str, Any]:
    """The `data` of `app/shopify/queries/{document_name}.graphql` in `shop`; userErrors are the
    caller's to read.

    Raises UnavailableError (no answer; a mutation may still have had its effect), ThrottledError,
    GrantLostError, NotFoundError, ShopifyRefusedError; the last three are permanent.
    """

    async def renew(refused: str) -> str:
        return await tokens.renew(shop, client, config, refused)

    async def attempt() -> dict[str, Any] | ThrottledError:
        token = await tokens.access_token(shop, client, config)
        try:
            return await graphql.execute(
                client, config, shop, token, document_name, variables, renew
            )
        except ThrottledError as error:
            # one shop's empty budget is no failure of Shopify: it must not open the circuit for all
            # others
            return error

    answer = await guard(SHOPIFY, attempt, shop=shop)
    if isinstance(answer, ThrottledError):
        raise answer
    return answer
