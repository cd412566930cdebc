"""The merchant's admin: frames the app the way Shopify does, and lets the merchant act on
orders and customers.
"""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from devstore import signing
from devstore.api import tokens
from devstore.errors import RefusedError
from devstore.pages.shared import form_of, go, render, shop_of
from devstore.shop import things
from devstore.webhooks import payload_people
from devstore.world import World, world_of

COMPLIANCE = ("customers/data_request", "customers/redact", "shop/redact")
ROWS_SHOWN = 100


def inner_path(text: str | None) -> str:
    """A path inside the app: `/x`, never `//x`."""
    path = text or "/"
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


async def frame(request: Request) -> Response:
    """`/store/{handle}?path=/customers`: the admin with the app open at that path."""
    path = inner_path(request.query_params.get("path"))
    return render(
        request, "admin_app.html", {"shop": shop_of(request), "path": path, "page": "app"}
    )


async def open_app(request: Request) -> Response:
    """Into the app with everything Shopify adds to the address (platform.md §1.1)."""
    world, shop = world_of(request), shop_of(request)
    if not shop.is_installed:
        return render(request, "not_installed.html", {"shop": shop})
    path, _, query = inner_path(request.query_params.get("path")).partition("?")
    launch = urlencode(signing.launch_query(world.settings, shop.domain))
    address = f"{world.settings.app_url}{path}?{query + '&' if query else ''}{launch}"
    return RedirectResponse(address, status_code=302, headers={"Cache-Control": "no-store"})


async def launch(request: Request) -> Response:
    """Fresh parameters for the App Bridge stand-in; only pages of this origin can read the
    answer.
    """
    world, shop = world_of(request), shop_of(request)
    parameters = (
        dict(signing.launch_query(world.settings, shop.domain)) if shop.is_installed else {}
    )
    return JSONResponse(parameters, headers={"Cache-Control": "no-store"})


async def order_list(request: Request) -> Response:
    world, shop = world_of(request), shop_of(request)
    found = sorted(world.state.of_shop("order", shop.domain), key=lambda one: -one.number)[
        :ROWS_SHOWN
    ]
    customers = world.state.tables["customer"]
    return render(
        request,
        "admin_orders.html",
        {"shop": shop, "orders": found, "customers": customers, "page": "orders"},
    )


async def customer_list(request: Request) -> Response:
    world, shop = world_of(request), shop_of(request)
    found = [one for one in world.state.of_shop("customer", shop.domain) if not one.is_deleted][
        -ROWS_SHOWN:
    ]
    return render(
        request, "admin_customers.html", {"shop": shop, "customers": found, "page": "customers"}
    )


async def add_customer(request: Request) -> Response:
    world, shop = world_of(request), shop_of(request)
    made = make_customer(world, shop, await form_of(request))
    return go(f"/store/{shop.handle}/customers", f"{made.name} was added.")


def make_customer(
    world: World, shop: things.Shop, fields: dict[str, str], at: str = ""
) -> things.Customer:
    """A customer of the shop, told to the app.

    Raises RefusedError without a name.
    """
    made = things.Customer(
        id=world.state.new_id(),
        shop=shop.domain,
        first_name=fields.get("first_name", ""),
        last_name=fields.get("last_name", ""),
        email=fields.get("email", ""),
        phone=fields.get("phone") or None,
        created_at=at or things.now(),
        updated_at=at or things.now(),
    )
    if not made.name:
        raise RefusedError("A customer needs a name.")
    world.state.put("customer", made.id, made)
    world.tell_customer(made, "customers/create")
    return made


def change_customer(world: World, customer: things.Customer, fields: dict[str, str]) -> None:
    """Raises RefusedError when the name would be gone."""
    changed = {
        name: fields[name]
        for name in ("first_name", "last_name", "email", "phone", "note")
        if name in fields
    }
    first, last = (
        changed.get("first_name", customer.first_name),
        changed.get("last_name", customer.last_name),
    )
    if not f"{first}{last}".strip():
        raise RefusedError("A customer needs a name.")
    for name, value in changed.items():
        setattr(customer, name, value)
    customer.updated_at = things.now()
    world.state.put("customer", customer.id, customer)
    world.tell_customer(customer, "customers/update")


async def edit_customer(request: Request) -> Response:
    world, shop = world_of(request), shop_of(request)
    customer = world.state.find("customer", shop.domain, request.path_params["id"])
    back = f"/store/{shop.handle}/customers"
    if customer is None or customer.is_deleted:
        return go(back, "There is no such customer.")
    fields = await form_of(request)
    if fields.get("action") == "delete":
        customer.is_deleted = True
        world.state.put("customer", customer.id, customer)
        world.tell_customer(customer, "customers/delete")
        return go(back, f"{customer.name} was deleted.")
    change_customer(world, customer, fields)
    return go(back, f"{customer.name} was saved.")


async def settings_page(request: Request) -> Response:
    world, shop = world_of(request), shop_of(request)
    customers = list(world.state.of_shop("customer", shop.domain))
    return render(
        request,
        "admin_settings.html",
        {"shop": shop, "customers": customers, "topics": COMPLIANCE, "page": "settings"},
    )


async def install(request: Request) -> Response:
    world, shop = world_of(request), shop_of(request)
    shop.is_installed = True
    world.state.put("shop", shop.domain, shop)
    return go(f"/store/{shop.handle}")


async def uninstall(request: Request) -> Response:
    world, shop = world_of(request), shop_of(request)
    remove_app(world, shop)
    return go(f"/store/{shop.handle}/settings", "The app was uninstalled.")


def remove_app(world: World, shop: things.Shop) -> None:
    """Tokens die first, then `app/uninstalled` is sent (platform.md §4.5)."""
    tokens.revoke_all(world.state, shop)
    shop.is_installed = False
    world.state.put("shop", shop.domain, shop)
    world.webhooks.send_anyway(shop.domain, [("app/uninstalled", payload_people.shop(shop))])


async def compliance(request: Request) -> Response:
    world, shop = world_of(request), shop_of(request)
    fields = await form_of(request)
    send_compliance(world, shop, fields.get("topic", ""), fields.get("customer_id"))
    return go(f"/store/{shop.handle}/settings", f"{fields.get('topic')} was sent.")


def send_compliance(world: World, shop: things.Shop, topic: str, customer_id: str | None) -> None:
    """Raises RefusedError for another topic, or without a customer where one is needed."""
    customer = world.state.find("customer", shop.domain, customer_id)
    if topic not in COMPLIANCE or (customer is None and topic != "shop/redact"):
        raise RefusedError("Choose one of the three topics, and a customer of this shop.")
    ids = [
        one.id
        for one in world.state.of_shop("order", shop.domain)
        if customer and one.customer_id == customer.id
    ]
    body = payload_people.compliance(topic, shop, customer, ids, world.state.new_id())
    world.webhooks.send_anyway(shop.domain, [(topic, body)])


BASE = "/store/{handle}"
routes = [
    Route(BASE, frame),
    Route(BASE + "/open", open_app),
    Route(BASE + "/launch", launch),
    Route(BASE + "/orders", order_list),
    Route(BASE + "/customers", customer_list),
    Route(BASE + "/customers", add_customer, methods=["POST"]),
    Route(BASE + "/customers/{id}", edit_customer, methods=["POST"]),
    Route(BASE + "/settings", settings_page),
    Route(BASE + "/install", install, methods=["POST"]),
    Route(BASE + "/uninstall", uninstall, methods=["POST"]),
    Route(BASE + "/compliance", compliance, methods=["POST"]),
]
