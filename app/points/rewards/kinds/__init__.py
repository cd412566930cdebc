"""The kinds of rewards, a module each: what to send, how to find ours, how to take it back."""

from app.points.rewards.kinds import (
    amount_off,
    free_product,
    free_shipping,
    gift_card,
    percent_off,
    store_credit,
)
from app.points.rewards.kinds.parts import Kind

BY_NAME: dict[str, Kind] = {
    "amount_off": amount_off,
    "percent_off": percent_off,
    "free_shipping": free_shipping,
    "free_product": free_product,
    "store_credit": store_credit,
    "gift_card": gift_card,
}
# those that a second call would make twice, and how long to wait before one
WITHOUT_KEY = {name: kind.SETTLES_SECONDS for name, kind in BY_NAME.items() if kind.SETTLES_SECONDS}
