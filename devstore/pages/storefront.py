"""The shop as its customers see it: products, signing in, a cart, and a checkout with codes."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devstore.errors import FormError
from devstore.pages.shared import form_of, go, render, whole_number
from devstore.shop import acts, carts, discounts, orders, sold, things
from devstore.shop import credits as credits_
from devstore.shop.state import State
from devstore.world import shop_of, world_of

COOKIE = "storefront_session"
COOKIE_SECONDS = 30 * 24 * 3600
CUSTOMERS_SHOWN = 100
CARDS_LIMIT = 5


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


def show(request: Request, template: str, **more: object) -> Response:
    world, shop, session = world_of(request), shop_of(request), session_of(request)
    basket = carts.basket_of(world.state, session)
    codes, why = carts.usable_codes(world.state, shop, session.codes, basket)
    used = discounts.check_all(world.state, shop, codes, basket)
    customers = [one for one in world.state.of_shop("customer", shop.domain) if not one.is_deleted]

    def card_of(code: str) -> things.GiftCard | None:
        return credits_.card(world.state, shop.domain, code)

    context = {
        "shop": shop,
        "base": f"/shops/{shop.domain}",
        "customer": basket.customer,
        "customers": customers[-CUSTOMERS_SHOWN:],
        "cart_count": sum(session.cart.values()),
        "basket": basket,
        "quote": _quote(world.state, shop, basket, used) if basket.items else None,
        "cards": [one for one in map(card_of, session.cards) if one],
        "credit": credits_.balance(world.state, shop.domain, basket.customer),
        "codes": codes,
        "why": why,
        **more,
    }
    return keep(request, session, render(request, template, context))


def _quote(
    state: State, shop: things.Shop, basket: things.Basket, used: list[things.Discount]
) -> orders.Quote:
    ids, products = iter(range(1, 2**31)), orders.products_of(state, shop, used)
    return orders.quote(basket.items, used, ids, orders.terms_of(shop), products)


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
    before = session.cart.get(str(product.id), 0) if "add" in fields else 0
    asked = whole_number(fields, "add" if "add" in fields else "quantity", 1)
    carts.put_in(session, product, before + asked)
    return keep(request, session, go(f"/shops/{shop.domain}/cart", "Your cart was updated."))


async def apply_code(request: Request) -> Response:
    """`/discount/{code}`: remember the code for this browser's cart, as a shared link does."""
    shop, session = shop_of(request), session_of(request)
    carts.remember_code(session, request.path_params["code"][:255])
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
        session.cards = [one for one in session.cards if one.lower() != fields["remove"].lower()]
        return keep(request, session, go(f"/shops/{shop.domain}/checkout"))
    if not fields.get("code"):
        raise FormError("Enter a discount code or a gift card.")
    if credits_.card(world_of(request).state, shop.domain, fields["code"]):
        session.cards = list(dict.fromkeys([*session.cards, fields["code"]]))[-CARDS_LIMIT:]
    else:
        carts.remember_code(session, fields["code"])
    return keep(request, session, go(f"/shops/{shop.domain}/checkout"))


async def checkout(request: Request) -> Response:
    return show(request, "shop_checkout.html")


async def place_order(request: Request) -> Response:
    world, shop, session = world_of(request), shop_of(request), session_of(request)
    fields = await form_of(request)
    basket = carts.basket_of(world.state, session, fields.get("email") or carts.GUEST)
    codes, why = carts.usable_codes(world.state, shop, session.codes, basket)
    if why:  # never charge more than what the page promised without saying so
        session.codes = codes
        return keep(request, session, go(f"/shops/{shop.domain}/checkout", why))
    order = acts.place_order(
        world,
        shop,
        basket,
        codes=codes,
        how=sold.Placing(
            at=things.ago(whole_number(fields, "days_ago")) or None,
            is_paid=fields.get("payment") != "later",
            is_test=fields.get("test") == "on",
            source="pos" if fields.get("till") == "on" else "web",
            cards=tuple(session.cards),
            with_credit=fields.get("credit") == "on",
        ),
    )
    session.cart, session.codes, session.cards = {}, [], []
    where = f"/shops/{shop.domain}/orders/{order.id}"
    return keep(request, session, go(where, "Thank you, your order was placed."))


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
