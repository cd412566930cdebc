"""Reads orders that an earlier stand-in store wrote: paid or not, with one amount a refund."""

import msgspec


def order(body: bytes) -> bytes:
    """The order as it is written now; one that is so already stays as it is."""
    found = msgspec.json.decode(body)
    if "is_paid" not in found:
        return body
    total_cents = found["shipping_cents"] + sum(
        line["price_cents"] * line["quantity"] - sum(line["allocations"]) + line["tax_cents"]
        for line in found["lines"]
    )
    if found.pop("is_paid"):
        found["payments"] = [
            {
                "id": found["transaction_id"],
                "paid_at": found["processed_at"],
                "amount_cents": total_cents,
            }
        ]
    for refund in found["refunds"]:
        amount_cents = refund.pop("adjustment_cents", 0)
        refund["money_cents"] = (
            sum(item["subtotal_cents"] + item["tax_cents"] for item in refund["items"])
            + refund["shipping_cents"]
            + amount_cents
        )
        if amount_cents:
            refund["adjustments"] = [
                {
                    "id": refund["adjustment_id"],
                    "amount_cents": -amount_cents,
                    "reason": "Refund discrepancy",
                }
            ]
    return msgspec.json.encode(found)
