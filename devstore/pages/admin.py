"""The merchant's admin: frames the app as Shopify does, and lists orders and customers."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from devstore import signing
from devstore.errors import RefusedError
from devstore.pages.shared import form_of, go, render
from devstore.shop import acts
from devstore.world import shop_of, world_of

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
    """Into the app with everything Shopify adds to the address: shop, host, token, signature."""
    world, shop = world_of(request), shop_of(request)
    if not shop.is_installed:
        return render(request, "not_installed.html", {"shop": shop})
    path, _, query = inner_path(request.query_params.get("path")).partition("?")
    launch = urlencode(signing.launch_query(world.settings, shop.domain))
    address = f"{world.settings.app_url}{path}?{query + '&' if query else ''}{launch}"
    return RedirectResponse(address, status_code=302, headers={"Cache-Control": "no-store"})


async def resources(request: Request) -> Response:
    """What the picker offers: the shop's products, or the collections they are in."""
    world, shop = world_of(request), shop_of(request)
    products = list(world.state.of_shop("product", shop.domain))
    found = [(f"gid://shopify/Product/{one.id}", one.title) for one in products]
    if request.path_params["kind"] == "collection":
        collections = world.state.of_shop("collection", shop.domain)
        found = [(f"gid://shopify/Collection/{one.id}", one.title) for one in collections]
    return JSONResponse([{"id": gid, "title": title} for gid, title in found])


async def launch(request: Request) -> Response:
    """Fresh parameters for the App Bridge stand-in; no other origin can read the answer."""
    world, shop = world_of(request), shop_of(request)
    parameters = (
        dict(signing.launch_query(world.settings, shop.domain)) if shop.is_installed else {}
    )
    return JSONResponse(parameters, headers={"Cache-Control": "no-store"})


async def order_list(request: Request) -> Response:
    world, shop = world_of(request), shop_of(request)
    found = sorted(world.state.of_shop("order", shop.domain), key=lambda one: -one.number)
    context = {
        "shop": shop,
        "orders": found[:ROWS_SHOWN],
        "customers": world.state.tables["customer"],
        "page": "orders",
    }
    return render(request, "admin_orders.html", context)


async def customer_list(request: Request) -> Response:
    world, shop = world_of(request), shop_of(request)
    found = [one for one in world.state.of_shop("customer", shop.domain) if not one.is_deleted]
    context = {"shop": shop, "customers": found[-ROWS_SHOWN:], "page": "customers"}
    return render(request, "admin_customers.html", context)


async def add_customer(request: Request) -> Response:
    world, shop = world_of(request), shop_of(request)
    made = acts.add_customer(world, shop, await form_of(request))
    return go(f"/store/{shop.handle}/customers", f"{made.name} was added.")


async def edit_customer(request: Request) -> Response:
    world, shop = world_of(request), shop_of(request)
    customer = world.state.find("customer", shop.domain, request.path_params["id"])
    back = f"/store/{shop.handle}/customers"
    if customer is None or customer.is_deleted:
        return go(back, "There is no such customer.")
    fields = await form_of(request)
    if fields.get("action") == "delete":
        acts.delete_customer(world, customer)
        return go(back, f"{customer.name} was deleted.")
    if fields.get("action") in {"subscribe", "unsubscribe"}:
        acts.consent(world, customer, is_subscribed=fields["action"] == "subscribe")
        return go(back, f"{customer.name} was {fields['action']}d.")
    acts.change_customer(world, customer, fields)
    return go(back, f"{customer.name} was saved.")


async def merge(request: Request) -> Response:
    world, shop = world_of(request), shop_of(request)
    fields, back = await form_of(request), f"/store/{shop.handle}/customers"
    gone, kept = (
        world.state.find("customer", shop.domain, fields.get(name)) for name in ("gone", "kept")
    )
    if gone is None or kept is None or gone.is_deleted or kept.is_deleted:
        return go(back, "There is no such customer.")
    try:
        acts.merge_customers(world, kept, gone)
    except RefusedError as refused:
        return go(back, str(refused))
    return go(back, f"{gone.name} was merged into {kept.name}.")


async def settings_page(request: Request) -> Response:
    world, shop = world_of(request), shop_of(request)
    customers = list(world.state.of_shop("customer", shop.domain))
    context = {
        "shop": shop,
        "customers": customers,
        "topics": acts.COMPLIANCE,
        "page": "settings",
    }
    return render(request, "admin_settings.html", context)


async def install(request: Request) -> Response:
    shop = shop_of(request)
    acts.install(world_of(request), shop)
    return go(f"/store/{shop.handle}")


async def uninstall(request: Request) -> Response:
    shop = shop_of(request)
    acts.uninstall(world_of(request), shop)
    return go(f"/store/{shop.handle}/settings", "The app was uninstalled.")


async def compliance(request: Request) -> Response:
    world, shop = world_of(request), shop_of(request)
    fields = await form_of(request)
    acts.ask_compliance(world, shop, fields.get("topic", ""), fields.get("customer_id"))
    return go(f"/store/{shop.handle}/settings", f"{fields.get('topic')} was sent.")


BASE = "/store/{handle}"
routes = [
    Route(BASE, frame),
    Route(BASE + "/open", open_app),
    Route(BASE + "/launch", launch),
    Route(BASE + "/resources/{kind}", resources),
    Route(BASE + "/orders", order_list),
    Route(BASE + "/customers", customer_list),
    Route(BASE + "/customers", add_customer, methods=["POST"]),
    Route(BASE + "/customers/{id}", edit_customer, methods=["POST"]),
    Route(BASE + "/merge", merge, methods=["POST"]),
    Route(BASE + "/settings", settings_page),
    Route(BASE + "/install", install, methods=["POST"]),
    Route(BASE + "/uninstall", uninstall, methods=["POST"]),
    Route(BASE + "/compliance", compliance, methods=["POST"]),
]
