"""The cart of one browser: what is in it, who is signed in, and which codes it can use."""

from devstore.errors import CodeRefusedError
from devstore.shop import discounts, orders, things
from devstore.shop.state import State

PRODUCTS_LIMIT = 50
GUEST = "guest@example.com"


def basket_of(state: State, session: things.Session, email: str | None = None) -> things.Basket:
    """The cart as somebody's wish to buy; products that are gone are left out."""
    items = []
    for product_id, quantity in session.cart.items():
        product: things.Product | None = state.find("product", session.shop, product_id)
        if product:
            items.append(product.item(quantity))
    return things.Basket(items, signed_in(state, session), email)


def signed_in(state: State, session: things.Session) -> things.Customer | None:
    found: things.Customer | None = state.find("customer", session.shop, session.customer_id)
    return None if found is None or found.is_deleted else found


def usable_codes(
    state: State, shop: things.Shop, codes: list[str], basket: things.Basket
) -> tuple[list[str], str]:
    """The codes that can be used together, and why the first other one cannot."""
    kept: list[str] = []
    why = ""
    for code in codes:
        try:
            discounts.check_all(state, shop, [*kept, code], basket)
            kept.append(code)
        except CodeRefusedError as refused:
            why = why or str(refused)
    return kept, why


def put_in(session: things.Session, product: things.Product, quantity: int) -> None:
    """The cart has so many of the product from now on; 0 takes it out."""
    session.cart.pop(str(product.id), None)
    if quantity and len(session.cart) < PRODUCTS_LIMIT:
        session.cart[str(product.id)] = min(quantity, orders.QUANTITY_LIMIT)


def remember_code(session: things.Session, code: str) -> None:
    """The newest few are kept."""
    others = [one for one in session.codes if one.lower() != code.lower()]
    session.codes = [*others, code][-discounts.CODES_LIMIT :]
