"""Shopify as far as redemptions ask it: what was made, what was used, and how it answers."""

from typing import Any

from app import db
from app.errors import UnavailableError
from app.points.rewards.issuing import Refusal
from app.points.rewards.kinds.parts import Found, Lease


class Shopify:
    """Stands where `issuing` asks; `how` says of a redemption how its first call goes: made,
    refused, lost (made, and no answer arrives) or silent.
    """

    def __init__(self, stores: db.Stores) -> None:
        self.stores = stores
        self.client: Any = None
        self.how: dict[str, str] = {}
        self.made: dict[str, bool] = {}  # by redemption, whether it is active
        self.used: set[str] = set()
        self.codes: dict[str, str] = {}

    async def create(self, _stores: db.Stores, _client: Any, lease: Lease) -> Found | Refusal:
        name, how = str(lease.id), self.how.pop(str(lease.id), "made")
        self.codes[name] = lease.code
        if how == "refused":
            return Refusal("Shopify says no.")
        if how != "silent":
            self.made[name] = True
        if how in {"lost", "silent"}:
            raise UnavailableError("Shopify is not answering at the moment.")
        return self._found(name)

    async def find(self, _stores: db.Stores, _client: Any, lease: Lease) -> Found | None:
        name = str(lease.id)
        return self._found(name) if name in self.made else None

    async def take_back(
        self, _stores: db.Stores, _client: Any, lease: Lease, _found: Found
    ) -> None:
        self.made[str(lease.id)] = False

    def _found(self, name: str) -> Found:
        return Found(f"gid://test/{name}", True, self.made[name], int(name in self.used))
