"""Which kinds of rewards operators can switch off: those that a bad release gives away as money."""

from app.flags import evaluation, known

FLAGS = {
    "gift_card": known.GIFT_CARDS,
    "store_credit": known.STORE_CREDIT,
    "free_product": known.FREE_PRODUCTS,
}
OFF = "This reward cannot be had just now. Your points are safe; please come back a little later."


def is_off(kind: str, shop: str) -> bool:
    """Whether no reward of this kind is to be begun or made in the shop."""
    flag = FLAGS.get(kind)
    return flag is not None and not evaluation.is_on(flag, shop)
