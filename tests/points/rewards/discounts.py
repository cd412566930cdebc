"""What the tests of redemptions share: a stand-in for Shopify's discounts, and points held for one
of them.
"""

import copy
from typing import Any

from app import db
from app.errors import UnavailableError
from app.points.rewards import actions as rewards
from app.points.views import RedemptionView
from tests.points.world import ALICE, BOB, bob_has

CLIENT: Any = None  # nothing is sent: `admin_api.call` is the seam


class Shopify:
    """A stand-in for `admin_api.call`: remembers discounts, and fails as it is told."""

    def __init__(self) -> None:
        self.discounts: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.failures: list[Exception] = []  # raised before the work, one a call
        self.lost_answers = 0  # creates that do the work and then time out
        self.not_shown = 0  # so many times what was made is not found yet
        self.errors: list[dict[str, str]] = []

    async def call(
        self, _client: Any, _config: Any, shop: str, document: str, variables: dict[str, Any]
    ) -> Any:
        async with (
            db.connection() as conn
        ):  # a transaction open here would be held over the network
            assert (
                await conn.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
                )
                == 0
            )
        assert shop == ALICE
        self.calls.append(document)
        if self.failures:
            raise self.failures.pop(0)
        if document == "discount_create":
            return await self.create(variables["basicCodeDiscount"])
        if document == "discount_by_code" and self.not_shown:
            self.not_shown -= 1
            return {"codeDiscountNodeByCode": None}
        if document == "discount_by_code":
            return {"codeDiscountNodeByCode": copy.deepcopy(self.discounts.get(variables["code"]))}
        assert document == "discount_deactivate"
        for node in self.discounts.values():
            if node["id"] == variables["id"]:
                node["codeDiscount"]["status"] = "EXPIRED"
        return {"discountCodeDeactivate": {"userErrors": []}}

    async def create(self, wanted: dict[str, Any]) -> Any:
        if self.errors:
            return {
                "discountCodeBasicCreate": {"codeDiscountNode": None, "userErrors": self.errors}
            }
        if wanted["code"] in self.discounts:
            errors = [{"field": ["code"], "message": "Code must be unique.", "code": "TAKEN"}]
            return {"discountCodeBasicCreate": {"codeDiscountNode": None, "userErrors": errors}}
        node = {
            "id": f"gid://shopify/DiscountCodeNode/{len(self.discounts) + 1}",
            "codeDiscount": {"title": wanted["title"], "status": "ACTIVE"},
            "input": wanted,
        }
        self.discounts[wanted["code"]] = node
        if self.lost_answers:
            self.lost_answers -= 1
            raise UnavailableError("Shopify is not answering at the moment.")
        return {
            "discountCodeBasicCreate": {"codeDiscountNode": {"id": node["id"]}, "userErrors": []}
        }


async def hold(points: int = 250, key: str = "k1") -> RedemptionView:
    """A redemption of Bob's, of 100 of so many points."""
    return await rewards.redeem(ALICE, BOB, await bob_has(points), key, "r")


async def make_due(at: str = "now()", **more: str) -> None:
    changes = ", ".join(
        f"{name} = {value}" for name, value in {"next_attempt_at": at, **more}.items()
    )
    async with db.connection() as conn:
        await conn.execute(f"UPDATE redemptions SET {changes}")
