"""Money that waits at a shop: gift cards, and the store credit of customers."""

from collections.abc import Iterable
from datetime import UTC, datetime

from devstore.errors import RefusedError
from devstore.shop import sold, things, totals
from devstore.shop.state import State

GIFT_CARD_LIMIT_CENTS = 2_000_00
CREDIT_LIMIT_CENTS = 10_000_00


class LimitError(RefusedError):
    """More than a card or an account may hold."""


class FundsError(RefusedError):
    """An account has less than is asked for."""


def card(state: State, shop: str, code: str) -> things.GiftCard | None:
    """The card with that code, whatever is left of it; codes are not case sensitive."""
    wanted = code.strip().lower()
    return next((one for one in state.of_shop("gift_card", shop) if one.code == wanted), None)


def movements(state: State, shop: str, customer_id: int) -> list[things.Credit]:
    """Of a customer's store credit, the oldest first."""
    return [one for one in state.of_shop("credit", shop) if one.customer_id == customer_id]


def balance(state: State, shop: str, customer: things.Customer | None) -> int:
    """What a customer has of store credit, in cents; what has ended is gone."""
    if customer is None:
        return 0
    now = datetime.now(UTC)
    return sum(
        one.remaining_cents
        for one in movements(state, shop, customer.id)
        if not one.expires_at or datetime.fromisoformat(one.expires_at) > now
    )


def credit(
    state: State,
    customer: things.Customer,
    amount_cents: int,
    expires_at: str | None,
    event: str = "ADJUSTMENT",
) -> things.Credit:
    """Raises LimitError."""
    after = balance(state, customer.shop, customer) + amount_cents
    if after > CREDIT_LIMIT_CENTS:
        raise LimitError("The operation would cause the account's credit limit to be exceeded.")
    made = things.Credit(
        id=state.new_id(),
        shop=customer.shop,
        customer_id=customer.id,
        created_at=things.now(),
        amount_cents=amount_cents,
        balance_cents=after,
        event=event,
        expires_at=expires_at,
        remaining_cents=amount_cents,
    )
    state.put("credit", made.id, made)
    return made


def debit(
    state: State, customer: things.Customer, amount_cents: int, event: str = "ADJUSTMENT"
) -> things.Credit:
    """What ends first goes first. Raises FundsError."""
    before = balance(state, customer.shop, customer)
    if amount_cents > before:
        raise FundsError("The store credit account does not have sufficient funds.")
    left, now = amount_cents, datetime.now(UTC)
    found = movements(state, customer.shop, customer.id)
    for one in sorted(found, key=lambda each: each.expires_at or "9999"):
        if one.expires_at and datetime.fromisoformat(one.expires_at) <= now:
            continue
        part = min(left, one.remaining_cents)
        if part:
            one.remaining_cents -= part
            left -= part
            state.put("credit", one.id, one)
    made = things.Credit(
        id=state.new_id(),
        shop=customer.shop,
        customer_id=customer.id,
        created_at=things.now(),
        amount_cents=-amount_cents,
        balance_cents=before - amount_cents,
        event=event,
    )
    state.put("credit", made.id, made)
    return made


def pay(
    state: State, order: sold.Order, cards: Iterable[str], *, with_credit: bool
) -> list[sold.PaidBy]:
    """Gift cards pay first, then the customer's store credit; what is left is paid otherwise."""
    left, paid = max(0, totals.total_cents(order)), []
    for code in cards:
        found = card(state, order.shop, code)
        if found is None or not is_good(found):
            continue
        part = min(left, found.balance_cents)
        if part:
            found.balance_cents -= part
            left -= part
            state.put("gift_card", found.id, found)
            paid.append(sold.PaidBy("gift_card", part, found.code))
    customer: things.Customer | None = state.find("customer", order.shop, order.customer_id)
    if with_credit and customer is not None:
        part = min(left, balance(state, order.shop, customer))
        if part:
            debit(state, customer, part, "ORDER_PAYMENT")
            paid.append(sold.PaidBy("shopify_store_credit", part))
    return paid


def give_back(state: State, order: sold.Order, amount_cents: int) -> None:
    """What cards and store credit paid goes back to where it came from, before other money."""
    customer: things.Customer | None = state.find("customer", order.shop, order.customer_id)
    for one in order.paid_by:
        part = min(amount_cents, one.amount_cents - one.back_cents)
        if part <= 0:
            continue
        one.back_cents += part
        amount_cents -= part
        found = card(state, order.shop, one.code) if one.code else None
        if found is not None:
            found.balance_cents += part
            state.put("gift_card", found.id, found)
        elif customer is not None:
            credit(state, customer, part, None, "ORDER_REFUND")


def is_good(found: things.GiftCard) -> bool:
    """Whether a card can pay today."""
    today = datetime.now(UTC).date().isoformat()
    return found.is_enabled and (found.expires_on is None or found.expires_on >= today)
