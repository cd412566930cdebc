"""The shop as its customers see it: products, signing in, a cart, and a checkout that takes
discount codes.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devstore.errors import CodeRefusedError, FormError
from devstore.pages.shared import form_of, go, render, shop_of, whole_number
from devstore.shop import discounts, orders, things
from devstore.world import World, world_of

COOKIE = "storefront_session"
COOKIE_SECONDS = 30 * 24 * 3600
CART_LIMIT = 50
CUSTOMERS_SHOWN = 100


def session_of(request: Request) -> things.Session:
    return world_of(request).state.session(shop_of(request).domain, request.cookies.get(COOKIE))


def keep(request: Request, session: things.Session, response: Response) -> Response:
    """Store the session and let the browser remember it, for this shop only."""
    world_of(request).state.put("session", session.id, session)
    response.set_cookie(
        COOKIE,
        session.id,
        max_age=COOKIE_SECONDS,
        path=f"/shops/{session.shop}",
        httponly=True,
        samesite="lax",
    )
    return response


def signed_in(world: World, session: things.Session) -> things.Customer | None:
    found: things.Customer | None = world.state.find("customer", session.shop, session.customer_id)
    return None if found is None or found.is_deleted else found


def basket_of(world: World, session: things.Session, email: str | None = None) -> things.Basket:
    items = []
    for product_id, quantity in session.cart.items():
        product: things.Product | None = world.state.find("product", session.shop, product_id)
        if product:
            items.append(
                things.Item(
                    product.title,
                    product.price_cents,
                    quantity,
                    product.is_gift_card,
                    product.id,
                    product.variant_id,
                )
            )
    return things.Basket(items, signed_in(world, session), email)


def usable_codes(
    world: World, shop: things.Shop, codes: list[str], basket: things.Basket
) -> tuple[list[str], str]:
    """The codes that can be used together, and why the first other one cannot."""
    kept: list[str] = []
    why = ""
    for code in codes:
        try:
            discounts.check_all(world.state, shop, [*kept, code], basket)
            kept.append(code)
        except CodeRefusedError as refused:
            why = why or str(refused)
    return kept, why


def show(request: Request, template: str, **more: object) -> Response:
    world, shop, session = world_of(request), shop_of(request), session_of(request)
    basket = basket_of(world, session)
    codes, why = usable_codes(world, shop, session.codes, basket)
    used = discounts.check_all(world.state, shop, codes, basket)
    customers = [one for one in world.state.of_shop("customer", shop.domain) if not one.is_deleted]
    context = {
        "shop": shop,
        "base": f"/shops/{shop.domain}",
        "customer": basket.customer,
        "customers": customers[-CUSTOMERS_SHOWN:],
        "cart_count": sum(session.cart.values()),
        "basket": basket,
        "quote": orders.quote(basket.items, used, iter(range(1, 2**31))) if basket.items else None,
        "codes": codes,
        "why": why,
        **more,
    }
    return keep(request, session, render(request, template, context))


async def home(request: Request) -> Response:
    products = list(world_of(request).state.of_shop("product", shop_of(request).domain))
    return show(request, "shop_home.html", products=products)


async def sign_in(request: Request) -> Response:
    """Sign in as one of the customers, or out."""
    world, shop, session = world_of(request), shop_of(request), session_of(request)
    fields = await form_of(request)
    customer = world.state.find("customer", shop.domain, fields.get("customer_id"))
    session.customer_id = customer.id if customer else None
    said = f"You are signed in as {customer.name}." if customer else "You are signed out."
    return keep(request, session, go(f"/shops/{shop.domain}/", said))


async def cart(request: Request) -> Response:
    return show(request, "shop_cart.html")


async def change_cart(request: Request) -> Response:
    """`product_id` with `quantity` replaces, with `add` adds."""
    world, shop, session = world_of(request), shop_of(request), session_of(request)
    fields = await form_of(request)
    product = world.state.find("product", shop.domain, fields.get("product_id"))
    if product is None:
        return go(f"/shops/{shop.domain}/", "There is no such product.")
    key = str(product.id)
    before = session.cart.get(key, 0) if "add" in fields else 0
    quantity = min(
        before + whole_number(fields, "add" if "add" in fields else "quantity", 1),
        orders.QUANTITY_LIMIT,
    )
    session.cart.pop(key, None)
    if quantity and len(session.cart) < CART_LIMIT:
        session.cart[key] = quantity
    return keep(request, session, go(f"/shops/{shop.domain}/cart", "Your cart was updated."))


async def apply_code(request: Request) -> Response:
    """`/discount/{code}`: remember the code for this browser's cart, as a shared link does."""
    shop, session = shop_of(request), session_of(request)
    code = request.path_params["code"][:255]
    session.codes = [*[one for one in session.codes if one.lower() != code.lower()], code][
        -discounts.CODES_LIMIT :
    ]
    where = request.query_params.get("redirect", "/cart")
    base = f"/shops/{shop.domain}"
    is_plain = where.startswith("/") and not where.startswith(("//", "/\\"))
    inside = where if where.startswith(base + "/") else base + (where if is_plain else "/cart")
    return keep(request, session, go(inside))


async def change_codes(request: Request) -> Response:
    session, fields = session_of(request), await form_of(request)
    shop = shop_of(request)
    if fields.get("remove"):
        session.codes = [one for one in session.codes if one != fields["remove"]]
        return keep(request, session, go(f"/shops/{shop.domain}/checkout"))
    if not fields.get("code"):
        raise FormError("Enter a discount code.")
    session.codes = [*session.codes, fields["code"]][-discounts.CODES_LIMIT :]
    return keep(request, session, go(f"/shops/{shop.domain}/checkout"))


async def checkout(request: Request) -> Response:
    return show(request, "shop_checkout.html")


async def place_order(request: Request) -> Response:
    world, shop, session = world_of(request), shop_of(request), session_of(request)
    fields = await form_of(request)
    basket = basket_of(world, session, fields.get("email") or "guest@example.com")
    codes, why = usable_codes(world, shop, session.codes, basket)
    if why:  # never charge more than what the page promised without saying so
        session.codes = codes
        return keep(request, session, go(f"/shops/{shop.domain}/checkout", why))
    is_paid = fields.get("payment") != "later"
    order = orders.place(
        world.state, shop, basket, codes=codes, is_paid=is_paid, is_test=fields.get("test") == "on"
    )
    world.tell_order(order, "orders/create", *(["orders/paid"] if is_paid else []))
    session.cart, session.codes = {}, []
    return keep(
        request,
        session,
        go(f"/shops/{shop.domain}/orders/{order.id}", "Thank you, your order was placed."),
    )


BASE = "/shops/{shop}"
routes = [
    Route(BASE + "/", home),
    Route(BASE + "/sign-in", sign_in, methods=["POST"]),
    Route(BASE + "/cart", cart),
    Route(BASE + "/cart", change_cart, methods=["POST"]),
    Route(BASE + "/discount/{code}", apply_code),
    Route(BASE + "/codes", change_codes, methods=["POST"]),
    Route(BASE + "/checkout", checkout),
    Route(BASE + "/checkout", place_order, methods=["POST"]),
]
