"""The Admin GraphQL endpoint: token, schema check, cost budget, and then the work."""

import re
import time
import uuid
from typing import Any

import msgspec
from graphql import DocumentNode, FragmentDefinitionNode, GraphQLError, OperationDefinitionNode
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from devstore.api import resolvers, tokens
from devstore.api.schema import Schemas
from devstore.api.selection import Selection
from devstore.shop import things
from devstore.world import World, world_of

MAXIMUM_AVAILABLE = 2000.0
RESTORE_PER_SECOND = 100.0
QUERY_COST_LIMIT = 1000
VERSION = re.compile(r"\d{4}-(01|04|07|10)")


class Asked(msgspec.Struct):
    """The body of a request."""

    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None  # noqa: N815 - GraphQL's own name


class Budgets:
    """A leaky bucket for each shop."""

    def __init__(self) -> None:
        self._used: dict[str, tuple[float, float]] = {}  # shop → what is left, when

    def available(self, shop: str) -> float:
        left, at = self._used.get(shop, (MAXIMUM_AVAILABLE, time.monotonic()))
        return min(MAXIMUM_AVAILABLE, left + (time.monotonic() - at) * RESTORE_PER_SECOND)

    def take(self, shop: str, cost: float) -> None:
        self._used[shop] = (self.available(shop) - cost, time.monotonic())


async def endpoint(request: Request) -> Response:
    """`POST /shops/{shop}/admin/api/{version}/graphql.json`."""
    world = world_of(request)
    shop = world.state.shop(request.path_params["shop"])
    if refused := await world.trouble.before(shop.domain):
        return refused
    if not tokens.is_valid(world.state, shop, request.headers.get("x-shopify-access-token", "")):
        sentence = "[API] Invalid API key or access token (unrecognized login or wrong password)"
        return JSONResponse({"errors": sentence}, status_code=401)
    schemas: Schemas = request.app.state.schemas
    version = _version(schemas, request.path_params["version"])
    if version is None:
        return JSONResponse({"errors": "Not Found"}, status_code=404)
    try:
        asked = msgspec.json.decode(await request.body(), type=Asked)
    except msgspec.DecodeError:
        return JSONResponse(
            {"errors": {"query": "Required parameter missing or invalid"}}, status_code=400
        )
    answer = await _answer(request, shop, version, asked)
    await world.state.saved()
    if lost := await world.trouble.after(shop.domain):
        return lost
    return JSONResponse(
        answer, headers={"X-Shopify-API-Version": version, "X-Request-Id": str(uuid.uuid4())}
    )


def _version(schemas: Schemas, asked: str) -> str | None:
    """Versions no longer supported fall forward to the oldest one that is."""
    if not VERSION.fullmatch(asked):
        return None
    supported = schemas.versions()
    return asked if not supported or asked in supported else supported[0]


async def _answer(
    request: Request, shop: things.Shop, version: str, asked: Asked
) -> dict[str, Any]:
    schemas: Schemas = request.app.state.schemas
    document, errors = await schemas.check(version, asked.query)
    if errors or document is None:
        return {"errors": [_error(error) for error in errors]}
    operation = _operation(document, asked.operationName)
    if operation is None:
        return {"errors": [{"message": "No operation of that name, or more than one and no name."}]}
    variables = asked.variables or {}
    if wrong := schemas.check_variables(version, operation, variables):
        return {"errors": [_error(error, "INVALID_VARIABLE") for error in wrong]}
    fragments = {
        one.name.value: one
        for one in document.definitions
        if isinstance(one, FragmentDefinitionNode)
    }
    return _execute(
        world_of(request),
        request.app.state.budgets,
        shop,
        Selection(operation, fragments, variables),
    )


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    found = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    named = [
        one for one in found if name is None or (one.name is not None and one.name.value == name)
    ]
    return named[0] if len(named) == 1 else None


def _execute(
    world: World, budgets: Budgets, shop: things.Shop, selection: Selection
) -> dict[str, Any]:
    cost = selection.cost()
    if cost > QUERY_COST_LIMIT:
        message = (
            f"Query cost is {cost}, which exceeds the single query max cost limit "
            f"({QUERY_COST_LIMIT})."
        )
        return {
            "errors": [
                {"message": message, "extensions": {"code": "MAX_COST_EXCEEDED", "cost": cost}}
            ]
        }
    is_forced = world.trouble.of(shop.domain) == "throttle"
    available = 0.0 if is_forced else budgets.available(shop.domain)
    if cost > available:
        throttled = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
        return {"errors": [throttled], "extensions": _cost(cost, None, available)}
    data: dict[str, Any] = {}
    errors: list[dict[str, Any]] = []
    root = (
        resolvers.Mutations(world, shop)
        if selection.is_mutation
        else resolvers.Queries(world, shop)
    )
    for field in selection.fields(selection.operation.selection_set, None):
        key = field.alias.value if field.alias else field.name.value
        if selection.is_mutation and world.trouble.of(shop.domain) == "deny":
            data[key] = None
            denied = GraphQLError(f"Access denied for {field.name.value} field.", field)
            errors.append({**_error(denied, "ACCESS_DENIED"), "path": [key]})
            continue
        try:
            data[key] = selection.project(root.resolve(field, selection.arguments(field)), field)
        except GraphQLError as error:
            data[key] = None
            errors.append({**_error(error, "INTERNAL_SERVER_ERROR"), "path": [key]})
    actual = cost if selection.is_mutation else min(cost, _objects(data))
    budgets.take(shop.domain, actual)
    extensions = _cost(cost, actual, budgets.available(shop.domain))
    return {"data": data, **({"errors": errors} if errors else {}), "extensions": extensions}


def _objects(value: Any) -> int:
    """What an answer costs in the end: 1 for each object in it."""
    if isinstance(value, dict):
        return 1 + sum(map(_objects, value.values()))
    return sum(map(_objects, value)) if isinstance(value, list) else 0


def _cost(requested: int, actual: int | None, available: float) -> dict[str, Any]:
    return {
        "cost": {
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": {
                "maximumAvailable": MAXIMUM_AVAILABLE,
                "currentlyAvailable": int(available),
                "restoreRate": RESTORE_PER_SECOND,
            },
        }
    }


def _error(error: GraphQLError, code: str = "GRAPHQL_VALIDATION_FAILED") -> dict[str, Any]:
    return {**error.formatted, "extensions": {"code": code}}
