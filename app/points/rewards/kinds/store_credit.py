"""Store credit, found again by its end.

Shopify takes no key of ours for it and keeps no note: the moment at which it ends is its mark, to
the second another one for each redemption of a customer. What takes it back has no end: there the
mark is the id of the debit, which counts for one redemption alone, and is newer than all that was
there before we asked.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from app.errors import UnavailableError
from app.points.rewards.kinds.codes import moment
from app.points.rewards.kinds.parts import Ask, Found, Lease, SpentError, Wish, check, money

SETTLES_SECONDS = 120.0  # longer than a call lives at Shopify: nothing keeps a second one apart
CLOCKS_APART = timedelta(minutes=5)  # Shopify's and ours, at most
PAGES_MAX = 40  # of transactions since then
DEBIT = "StoreCreditAccountDebitTransaction"
BY_APPS = "ADJUSTMENT"


def send(lease: Lease) -> Wish:
    """A credit of the amount to the customer's account of that currency."""
    assert lease.ends_at is not None, "its end is its mark"
    wanted = {"creditAmount": money(lease), "expiresAt": moment(lease.ends_at)}
    return Wish(
        "store_credit_credit",
        {"id": lease.customer_gid, "creditInput": wanted},
        "storeCreditAccountCredit",
        "storeCreditAccountTransaction",
    )


async def find(ask: Ask, lease: Lease) -> Found | None:
    """The credit with our mark; no longer active when a debit of ours has taken it back."""
    newest, taken = "", lease.taken_gid
    others, is_spent = Decimal(0), False
    is_later = lease.taking_back_at is not None  # than what was there before we asked
    async for one in _since(ask, lease, lease.created_at):
        gid = one.get("id", "")
        newest = newest or gid
        is_later = is_later and gid != (lease.taking_back_after or None)
        amount = Decimal(one["amount"]["amount"]).copy_abs()
        if gid in lease.taken_by_others:
            others += amount
        elif one["event"] != BY_APPS:
            is_spent = is_spent or one["__typename"] == DEBIT
        elif amount == lease.amount_off and one["__typename"] == DEBIT:
            taken = taken or (gid if is_later else "")
        elif amount == lease.amount_off and _ends_at(one) == lease.ends_at:
            # Shopify takes what ends first, also where that was for another redemption
            left = Decimal(one["remainingAmount"]["amount"]) + (0 if is_spent else others)
            uses = 0 if taken or left >= lease.amount_off else 1
            return Found(gid, True, not taken, uses, newest, taken)
    return None


async def take_back(ask: Ask, lease: Lease, found: Found) -> str:
    """Take the amount off the account again; the id of the debit. Raises SpentError when some of it
    was spent: what else is there is the customer's own.
    """
    if found.uses:
        raise SpentError
    wanted = {"debitAmount": money(lease)}
    data = await ask("store_credit_debit", {"id": lease.customer_gid, "debitInput": wanted})
    answer = data["storeCreditAccountDebit"]
    if any(one.get("code") == "INSUFFICIENT_FUNDS" for one in answer.get("userErrors") or ()):
        raise SpentError
    check(answer, "take the store credit back")
    return str(answer["storeCreditAccountTransaction"]["id"])


def _ends_at(transaction: dict[str, Any]) -> datetime | None:
    told = transaction.get("expiresAt")
    return datetime.fromisoformat(told) if told else None


async def _since(ask: Ask, lease: Lease, since: datetime) -> AsyncIterator[dict[str, Any]]:
    """The transactions of the account since then, the newest first. Raises UnavailableError for
    more than can be looked through: then nobody knows.
    """
    after = None
    for _ in range(PAGES_MAX):
        data = await ask(
            "store_credit_transactions",
            {
                "id": lease.customer_gid,
                "account": f"currency_code:{lease.details.currency}",
                "after": after,
            },
        )
        accounts = (data["customer"] or {"storeCreditAccounts": {"nodes": []}})[
            "storeCreditAccounts"
        ]["nodes"]
        found = [
            one for one in accounts if one["balance"]["currencyCode"] == lease.details.currency
        ]
        if not found:
            return
        page = found[0]["transactions"]
        for one in page["nodes"]:
            if datetime.fromisoformat(one["createdAt"]) < since - CLOCKS_APART:
                return
            yield one
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]
    raise UnavailableError("This customer's store credit changes too often to be looked through.")
