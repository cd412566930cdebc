"""All shops of the stand-in store in memory, and on disk in one SQLite file."""

import asyncio
import re
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from devstore.errors import UnknownShopError
from devstore.shop import older, sold, things

TABLE = """
CREATE TABLE IF NOT EXISTS things (kind TEXT, key TEXT, body BLOB, PRIMARY KEY (kind, key))
"""
PUT = """
INSERT INTO things VALUES (?, ?, ?)
    ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body
"""
DROP = "DELETE FROM things WHERE kind = ? AND key = ?"
EVERYTHING = "SELECT kind, key, body FROM things ORDER BY rowid"
DELIVERIES_KEPT = 5_000
DELIVERIES_TRIMMED_AT_ONCE = 250
DELIVERIES_UNDELIVERED_LIMIT = 50_000
SESSIONS_KEPT = 2_000
TOKENS_KEPT = 2_000
SHOP_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")
SHOP_NAME_LIMIT = 100
KINDS: dict[str, type[msgspec.Struct]] = {
    "shop": things.Shop,
    "product": things.Product,
    "collection": things.Collection,
    "customer": things.Customer,
    "order": sold.Order,
    "discount": things.Discount,
    "gift_card": things.GiftCard,
    "credit": things.Credit,
    "session": things.Session,
    "access_token": things.AccessToken,
    "refresh_token": things.RefreshToken,
    "delivery": things.Delivery,
}
FIRST_PRODUCTS = (
    ("Enamel mug", 1800, "mug", "Holds half a litre of anything hot.", False),
    ("Canvas bag", 3200, "bag", "Carries a week of groceries.", False),
    ("Gift card", 5000, "gift", "For somebody who is hard to shop for.", True),
)


class State:
    """Typed tables by kind and key; what `put` and `drop` change is on disk with the next save."""

    def __init__(self, path: Path | None) -> None:
        self.tables: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
        self.shares_seconds = False  # changes within a second have the same `updated_at`
        self._dirty: dict[tuple[str, str], bytes | None] = {}
        self._last_id = 0
        self._id_lock = threading.Lock()
        self._saving: asyncio.Task[None] | None = None
        self._path = path
        self._database = self._open(path) if path else None

    # disk

    def _open(self, path: Path) -> sqlite3.Connection:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        database.execute(TABLE)
        for kind, key, body in database.execute(EVERYTHING):
            plain = older.order(body) if kind == "order" else body
            self.tables[kind][key] = msgspec.json.decode(plain, type=KINDS[kind])
        return database

    def _write(self, changes: dict[tuple[str, str], bytes | None]) -> None:
        assert self._database is not None
        self._database.execute("BEGIN")
        for (kind, key), body in changes.items():
            if body is None:
                self._database.execute(DROP, (kind, key))
            else:
                self._database.execute(PUT, (kind, key, body))
        self._database.execute("COMMIT")

    async def saved(self) -> None:
        """Return once all changes are on disk; those who wait at once share one write."""
        while self._dirty or (self._saving and not self._saving.done()):
            if self._saving is None or self._saving.done():
                self._saving = asyncio.create_task(self._save())
            await asyncio.shield(self._saving)

    async def _save(self) -> None:
        changes, self._dirty = self._dirty, {}
        if self._database is not None:
            await asyncio.to_thread(self._write, changes)

    def close(self) -> None:
        if self._database is not None:
            if self._dirty:
                self._write(self._dirty)
                self._dirty = {}
            self._database.close()

    # tables

    def put(self, kind: str, key: str | int, thing: Any) -> None:
        """Add or replace; call it again after changing `thing`."""
        self.tables[kind][str(key)] = thing
        self._dirty[kind, str(key)] = msgspec.json.encode(thing)

    def drop(self, kind: str, key: str | int) -> None:
        self.tables[kind].pop(str(key), None)
        self._dirty[kind, str(key)] = None

    def of_shop(self, kind: str, shop: str) -> Iterator[Any]:
        return (thing for thing in self.tables[kind].values() if thing.shop == shop)

    def keep_newest(self, kind: str, limit: int) -> None:
        table = self.tables[kind]
        while len(table) > limit:
            self.drop(kind, next(iter(table)))

    def new_id(self) -> int:
        """A 64-bit id above all before it, also after a restart, too large for JavaScript."""
        with self._id_lock:
            self._last_id = max(self._last_id + 1, time.time_ns())
            return self._last_id

    # shops and what they own

    def shop(self, domain: str) -> things.Shop:
        """The shop of that name, made with three products when it is mentioned for the first time.

        Raises UnknownShopError for anything but `name.myshopify.com`.
        """
        domain = domain.lower()
        found: things.Shop | None = self.tables["shop"].get(domain)
        if found:
            return found
        if not SHOP_PATTERN.fullmatch(domain) or len(domain) > SHOP_NAME_LIMIT:
            raise UnknownShopError(domain)
        name = domain.removesuffix(".myshopify.com").replace("-", " ").title()
        made = things.Shop(domain=domain, id=self.new_id(), name=name, created_at=things.now())
        self.put("shop", domain, made)
        for title, price_cents, picture, description, is_gift_card in FIRST_PRODUCTS:
            self.add_product(
                domain, title, price_cents, picture, description, is_gift_card=is_gift_card
            )
        return made

    def add_product(
        self,
        shop: str,
        title: str,
        price_cents: int,
        picture: str,
        description: str,
        *,
        is_gift_card: bool = False,
    ) -> things.Product:
        made = things.Product(
            id=self.new_id(),
            shop=shop,
            variant_id=self.new_id(),
            title=title,
            price_cents=price_cents,
            picture=picture,
            description=description,
            is_gift_card=is_gift_card,
        )
        self.put("product", made.id, made)
        return made

    def find(self, kind: str, shop: str, key: str | int | None) -> Any:
        """The thing with that id in that shop, or None: another shop's things are not found."""
        thing = self.tables[kind].get(str(key))
        return thing if thing is not None and thing.shop == shop else None

    def discount_by_code(self, shop: str, code: str) -> things.Discount | None:
        """Codes are not case sensitive."""
        wanted = code.strip().lower()
        return next(
            (one for one in self.of_shop("discount", shop) if one.code.lower() == wanted), None
        )

    def session(self, shop: str, session_id: str | None) -> things.Session:
        found: things.Session | None = self.find("session", shop, session_id)
        if found:
            return found
        made = things.Session(id=uuid.uuid4().hex, shop=shop)
        self.put("session", made.id, made)
        self.keep_newest("session", SESSIONS_KEPT)
        return made

    def trim_deliveries(self) -> None:
        """Forget the oldest finished deliveries above the limit, none that is to be sent."""
        table = self.tables["delivery"]
        if len(table) <= DELIVERIES_KEPT:
            return
        finished = [
            key for key, one in table.items() if one.state in {"delivered", "failed", "lost"}
        ]
        for key in finished[: len(table) - DELIVERIES_KEPT + DELIVERIES_TRIMMED_AT_ONCE]:
            self.drop("delivery", key)
        while len(table) > DELIVERIES_UNDELIVERED_LIMIT:
            self.drop("delivery", next(iter(table)))
