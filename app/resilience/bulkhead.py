"""A bulkhead: how many calls may be under way at once, in all, for one shop, and for one subject
of a shop.
"""

import asyncio
from dataclasses import dataclass

WAITING_MAX = 256  # calls that wait for a ticket at once; more are turned away
Key = tuple[str, ...]  # (shop, subject) or (shop,)


@dataclass(slots=True)
class Crowd:
    """The calls of one shop or subject: its seats, and how many calls hold or want one."""

    seats: asyncio.Semaphore
    calls: int = 0


class Bulkhead:
    """Tickets of which one shop gets at most half, so that a slow one always leaves the others
    some, and one subject of a shop (a shopper, whose row is locked anyway) gets one.
    """

    def __init__(self, tickets: int, wait_seconds: float) -> None:
        self.tickets_max = tickets
        self.shop_max = max(1, tickets // 2)
        self.wait_seconds = wait_seconds
        self.tickets = asyncio.Semaphore(tickets)
        self.waiting = 0
        self.out = 0  # tickets that are held now
        self.crowds: dict[Key, Crowd] = {}

    async def take(self, shop: str, subject: str) -> bool:
        """Take a ticket, given back by `give_back` with the same names; False when there is none
        within `wait_seconds`.

        The narrowest door comes first: who waits there keeps nobody waiting at the next.
        """
        keys = _keys(shop, subject)
        doors = [*(self._join(key) for key in keys), self.tickets]
        if not any(door.locked() for door in doors):
            for door in doors:
                await door.acquire()  # a free one: returns without giving up control
            self.out += 1
            return True
        if self.waiting >= WAITING_MAX:
            self._leave(keys)
            return False
        taken: list[asyncio.Semaphore] = []
        self.waiting += 1
        try:
            async with asyncio.timeout(self.wait_seconds):
                for door in doors:
                    await door.acquire()
                    taken.append(door)
        except BaseException as error:
            for door in taken:
                door.release()
            self._leave(keys)
            if isinstance(error, TimeoutError):
                return False
            raise
        finally:
            self.waiting -= 1
        self.out += 1
        return True

    def give_back(self, shop: str, subject: str) -> None:
        keys = _keys(shop, subject)
        for key in keys:
            self.crowds[key].seats.release()
        self.tickets.release()
        self.out -= 1
        self._leave(keys)

    def _join(self, key: Key) -> asyncio.Semaphore:
        crowd = self.crowds.get(key)
        if crowd is None:
            seats = self.shop_max if len(key) == 1 else 1
            crowd = self.crowds[key] = Crowd(asyncio.Semaphore(seats))
        crowd.calls += 1
        return crowd.seats

    def _leave(self, keys: list[Key]) -> None:
        for key in keys:
            crowd = self.crowds[key]
            crowd.calls -= 1
            if not crowd.calls:
                del self.crowds[key]  # bounded by the calls there are


def _keys(shop: str, subject: str) -> list[Key]:
    if not shop:
        return []
    return [(shop, subject), (shop,)] if subject else [(shop,)]
