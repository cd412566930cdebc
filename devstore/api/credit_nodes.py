"""Gift cards and store credit as GraphQL objects, and the mutations that make and end them."""

import base64
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from devstore.api.nodes import Node, amount, connection
from devstore.errors import AmountError
from devstore.shop import credits as credits_
from devstore.shop import money, things
from devstore.shop.state import State

CODE_LENGTHS = range(8, 21)
NOTE_LIMIT = 5_000
PAGE_LIMIT = 250


def gift_card(shop: things.Shop, it: things.GiftCard) -> Node:
    return {
        "__typename": "GiftCard",
        "id": f"gid://shopify/GiftCard/{it.id}",
        "note": it.note,
        "enabled": it.is_enabled,
        "createdAt": it.created_at,
        "expiresOn": it.expires_on,
        "deactivatedAt": it.deactivated_at,
        "lastCharacters": it.code[-4:],
        "maskedCode": f"•••• •••• •••• {it.code[-4:]}",
        "balance": amount(it.balance_cents, shop.currency),
        "initialValue": amount(it.initial_cents, shop.currency),
    }


def _error(kind: str, field: list[str], code: str, message: str) -> Node:
    return {"__typename": kind, "field": field, "code": code, "message": message}


def make_card(state: State, shop: things.Shop, given: dict[str, Any], *, is_refused: bool) -> Node:
    """`giftCardCreate`."""
    errors: list[Node] = []

    def note(field: str, code: str, message: str) -> None:
        errors.append(_error("GiftCardUserError", ["input", field], code, message))

    code = str(given.get("code") or "").lower()
    wanted = given.get("initialAmount") or {}
    cents = _cents(wanted.get("amount"), shop.currency)
    if is_refused:
        note("initialAmount", "INVALID", "This store issues no gift cards.")
    if wrong := _wrong_code(state, shop, code):
        note("code", *wrong)
    if not cents:
        note("initialAmount", "GREATER_THAN", "Initial value must be greater than 0")
    elif cents > credits_.GIFT_CARD_LIMIT_CENTS:
        note("initialAmount", "GIFT_CARD_LIMIT_EXCEEDED", "The value exceeds the allowed limits.")
    if wanted.get("currencyCode") != shop.currency:
        note("initialAmount", "INVALID", "Currency is not the shop's")
    ends = given.get("expiresOn")
    if ends and date.fromisoformat(str(ends)) < datetime.now(UTC).date():
        note("expiresOn", "INVALID", "Expires on is in the past")
    made = None
    if not errors:
        made = things.GiftCard(
            id=state.new_id(),
            shop=shop.domain,
            code=code,
            note=str(given.get("note") or "")[:NOTE_LIMIT],
            created_at=things.now(),
            initial_cents=cents,
            balance_cents=cents,
            expires_on=str(ends) if ends else None,
        )
        state.put("gift_card", made.id, made)
    return {
        "__typename": "GiftCardCreatePayload",
        "giftCard": gift_card(shop, made) if made else None,
        "giftCardCode": code if made else None,
        "userErrors": errors,
    }


def _wrong_code(state: State, shop: things.Shop, code: str) -> tuple[str, str] | None:
    if len(code) not in CODE_LENGTHS:
        is_long = len(code) > CODE_LENGTHS[-1]
        return "TOO_LONG" if is_long else "TOO_SHORT", "Code is 8 to 20 characters long"
    if not code.isalnum() or not code.isascii():
        return "INVALID", "Code can only contain letters and numbers"
    if credits_.card(state, shop.domain, code):
        return "TAKEN", "Code has already been taken"
    return None


def end_card(state: State, shop: things.Shop, card_id: int) -> Node:
    """`giftCardDeactivate`."""
    found: things.GiftCard | None = state.find("gift_card", shop.domain, card_id)
    errors = []
    if found is None:
        kind, message = "GiftCardDeactivateUserError", "The gift card could not be found."
        errors.append(_error(kind, ["id"], "GIFT_CARD_NOT_FOUND", message))
    else:
        found.is_enabled, found.deactivated_at = False, things.now()
        state.put("gift_card", found.id, found)
    return {
        "__typename": "GiftCardDeactivatePayload",
        "giftCard": gift_card(shop, found) if found else None,
        "userErrors": errors,
    }


def find_cards(state: State, shop: things.Shop, arguments: dict[str, Any]) -> Node:
    """`giftCards`: by a search for a whole code, or since when they were made."""
    query = str(arguments.get("query") or "")
    if since := made_since(query):
        cards = [one for one in state.of_shop("gift_card", shop.domain) if since(one.created_at)]
    else:
        found = credits_.card(state, shop.domain, query)
        cards = [found] if found else []
    return paged("GiftCard", [(str(one.id), gift_card(shop, one)) for one in cards], arguments)


def made_since(query: str) -> Callable[[str], bool] | None:
    """Whether something was made by then, where a search asks for that; None where it does not."""
    found = re.fullmatch(r"created_at:>='([^']+)'", query)
    if found is None:
        return None
    since = datetime.fromisoformat(found[1])
    return lambda made_at: datetime.fromisoformat(made_at) >= since


def paged(kind: str, found: list[tuple[str, Node]], arguments: dict[str, Any]) -> Node:
    """A page of a connection, behind the cursor that was asked for."""
    keys = [base64.b64encode(key.encode()).decode() for key, _ in found]
    after = arguments.get("after")
    start = keys.index(after) + 1 if after in keys else 0
    first = min(int(arguments.get("first") or 0), PAGE_LIMIT)
    page = [(key, node) for key, (_, node) in zip(keys, found, strict=True)][start : start + first]
    return connection(kind, page, has_previous=start > 0, has_next=start + first < len(found))


def accounts(state: State, shop: things.Shop, it: things.Customer) -> Any:
    """`Customer.storeCreditAccounts`: one, of the shop's currency, once it was credited."""
    found = credits_.movements(state, shop.domain, it.id)

    def listed(arguments: dict[str, Any]) -> Node:
        wanted = str(arguments.get("query") or "")
        if not found or (wanted and wanted != f"currency_code:{shop.currency}"):
            return connection("StoreCreditAccount", [])
        return connection("StoreCreditAccount", [("1", _account(state, shop, it, found))])

    return listed


def _account(
    state: State, shop: things.Shop, it: things.Customer, found: list[things.Credit]
) -> Node:
    def transactions(arguments: dict[str, Any]) -> Node:
        listed = found[::-1] if arguments.get("reverse") else found
        keys = [base64.b64encode(str(one.id).encode()).decode() for one in listed]
        after = arguments.get("after")
        start = keys.index(after) + 1 if after in keys else 0
        first = min(int(arguments.get("first") or 0), PAGE_LIMIT)
        page = list(zip(keys, listed, strict=True))[start : start + first]
        nodes = [(key, _transaction(shop, one)) for key, one in page]
        kind = "StoreCreditAccountTransaction"
        return connection(kind, nodes, has_previous=start > 0, has_next=start + first < len(listed))

    return {
        "__typename": "StoreCreditAccount",
        "id": f"gid://shopify/StoreCreditAccount/{it.id}",
        "balance": amount(credits_.balance(state, shop.domain, it), shop.currency),
        "transactions": transactions,
    }


def _transaction(shop: things.Shop, it: things.Credit) -> Node:
    kind = "Credit" if it.amount_cents > 0 else "Debit"
    node = {
        "__typename": f"StoreCreditAccount{kind}Transaction",
        "id": f"gid://shopify/StoreCreditAccount{kind}Transaction/{it.id}",
        "amount": amount(it.amount_cents, shop.currency),
        "balanceAfterTransaction": amount(it.balance_cents, shop.currency),
        "createdAt": it.created_at,
        "event": it.event,
        "origin": None,
    }
    if kind == "Credit":
        node["expiresAt"] = it.expires_at
        node["remainingAmount"] = amount(it.remaining_cents, shop.currency)
    return node


def credit(
    state: State,
    shop: things.Shop,
    customer: things.Customer | None,
    given: dict[str, Any],
    *,
    is_refused: bool,
) -> Node:
    """`storeCreditAccountCredit`, of a customer's account."""
    ends = given.get("expiresAt")
    kind = "StoreCreditAccountCreditUserError"
    error = _money_error(kind, shop, customer, given.get("creditAmount") or {}, "creditInput")
    if error is None and is_refused:
        message = "The currency provided is not currently supported."
        error = _error(kind, ["creditInput"], "UNSUPPORTED_CURRENCY", message)
    if error is None and ends and datetime.fromisoformat(str(ends)) <= datetime.now(UTC):
        message = "The expiry date must be in the future."
        error = _error(kind, ["creditInput", "expiresAt"], "EXPIRES_AT_IN_PAST", message)
    made = None
    if error is None and customer is not None:
        cents = _cents(given["creditAmount"]["amount"], shop.currency)
        try:
            made = credits_.credit(state, customer, cents, str(ends) if ends else None)
        except credits_.LimitError as limit:
            error = _error(kind, ["creditInput"], "CREDIT_LIMIT_EXCEEDED", str(limit))
    return {
        "__typename": "StoreCreditAccountCreditPayload",
        "storeCreditAccountTransaction": _transaction(shop, made) if made else None,
        "userErrors": [error] if error else [],
    }


def debit(
    state: State, shop: things.Shop, customer: things.Customer | None, given: dict[str, Any]
) -> Node:
    """`storeCreditAccountDebit`, of a customer's account."""
    kind = "StoreCreditAccountDebitUserError"
    error = _money_error(kind, shop, customer, given.get("debitAmount") or {}, "debitInput")
    made = None
    if error is None and customer is not None:
        try:
            cents = _cents(given["debitAmount"]["amount"], shop.currency)
            made = credits_.debit(state, customer, cents)
        except credits_.FundsError as funds:
            error = _error(kind, ["debitInput"], "INSUFFICIENT_FUNDS", str(funds))
    return {
        "__typename": "StoreCreditAccountDebitPayload",
        "storeCreditAccountTransaction": _transaction(shop, made) if made else None,
        "userErrors": [error] if error else [],
    }


def _money_error(
    kind: str,
    shop: things.Shop,
    customer: things.Customer | None,
    wanted: dict[str, Any],
    field: str,
) -> Node | None:
    if customer is None or customer.is_deleted:
        code = "ACCOUNT_NOT_FOUND" if "Debit" in kind else "OWNER_NOT_FOUND"
        return _error(kind, ["id"], code, "Owner does not exist.")
    if wanted.get("currencyCode") != shop.currency:
        message = "The currency provided does not match the currency of the account."
        return _error(kind, [field], "MISMATCHING_CURRENCY", message)
    if not _cents(wanted.get("amount"), shop.currency):
        return _error(kind, [field], "NEGATIVE_OR_ZERO_AMOUNT", "A positive amount must be used.")
    return None


def _cents(amount_: object, currency: str) -> int:
    try:
        return money.cents(amount_, currency)
    except AmountError:
        return 0
