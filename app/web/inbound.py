"""Bodies on their way in: until its sender has proven who it is, each is bounded in size, in time,
and in its share of one memory.
"""

import asyncio
import time

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from app.errors import HoldfastError, TooLargeError, UnavailableError

SECONDS_MAX = 5.0  # Shopify itself gives a delivery up after five
LOOK_EVERY_SECONDS = 0.5
ROOM_BYTES = 64 * 1024 * 1024
# What the server buffers for a connection anyway before anybody reads; nearly all webhooks and all
# forms fit, so that a room full of slow giants is no trouble of theirs.
FREE_BYTES = 64 * 1024


class LateError(HoldfastError):
    """The body did not come in time (408); the connection is closed with it."""

    status, permanent, code = 408, False, "too_slow"

    def __init__(self) -> None:
        super().__init__("The body of the request did not come in time.")


class CrowdedError(UnavailableError):
    """Too much is coming in at once (503); the connection is closed, or its rest would come too."""

    code = "too_much"

    def __init__(self) -> None:
        super().__init__("Too much is coming in at once; please send this again.")


class Room:
    """The memory all unproven bodies of a process share.

    When it is full, whoever has been sending longest makes room: an honest body is here within
    milliseconds, and one that comes slowly on purpose is soon the oldest.
    """

    def __init__(self, bytes_max: int = ROOM_BYTES, seconds_max: float = SECONDS_MAX) -> None:
        self.bytes_max = bytes_max
        self.seconds_max = seconds_max
        self.bytes = 0
        self.waiting: set[Body] = set()  # for their next piece
        self.is_watched = False

    def watch(self) -> None:
        """One timer for all bodies: a timer for each would be felt at thousands a second."""
        if not self.is_watched:
            self.is_watched = True
            asyncio.get_running_loop().call_later(LOOK_EVERY_SECONDS, self._look)

    def _look(self) -> None:
        self.is_watched = False
        since = time.monotonic() - self.seconds_max
        for body in [one for one in self.waiting if one.began < since]:
            body.refuse(LateError)
        if self.waiting:
            self.watch()

    def make_room(self, asking: "Body") -> None:
        """Raises CrowdedError when there is nobody but `asking` who could make it."""
        while self.bytes > self.bytes_max:
            others = [one for one in self.waiting if one.charged]
            if not others:
                asking.leave()
                raise CrowdedError
            min(others, key=lambda one: one.began).refuse(CrowdedError)


class Body:
    """One body, piece by piece; `leave()` it when its sender has proven itself, or was refused."""

    __slots__ = ("began", "bytes", "bytes_max", "charged", "refusal", "room", "task", "too_large")

    def __init__(self, room: Room, bytes_max: int, too_large: str) -> None:
        self.room = room
        self.bytes_max = bytes_max
        self.too_large = too_large
        self.began = time.monotonic()
        self.bytes = 0
        self.charged = 0  # what of it counts in the room
        # the class, not the error: an error would hold the frames and they the pieces, in a circle
        # that stays until the collector comes by
        self.refusal: type[LateError | CrowdedError] | None = None
        self.task: asyncio.Task[object] | None = None

    async def receive(self, receive: Receive) -> Message:
        """The next message of the request, which must be one of its body.

        Raises TooLargeError (413), LateError (408), CrowdedError (503), and ClientDisconnect.
        """
        room, self.task = self.room, asyncio.current_task()
        room.waiting.add(self)
        if not room.is_watched:
            room.watch()
        try:
            message = await receive()
        except asyncio.CancelledError:
            if self.refusal is None or self.task is None or self.task.uncancel():
                raise  # somebody else ends the request
            raise self.refusal() from None
        finally:
            room.waiting.discard(self)
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self.bytes += len(message.get("body", b""))
        if self.bytes > self.bytes_max:
            raise TooLargeError(self.too_large)
        if self.bytes > FREE_BYTES:
            self._charge()
        return message

    def _charge(self) -> None:
        beyond = self.bytes - FREE_BYTES - self.charged
        self.charged += beyond
        self.room.bytes += beyond
        if self.room.bytes > self.room.bytes_max:
            self.room.make_room(self)

    def refuse(self, refusal: type[LateError | CrowdedError]) -> None:
        """End the wait for its next piece."""
        if self.refusal is None and self.task is not None:
            self.refusal = refusal
            self.task.cancel()
        self.room.waiting.discard(self)
        self.leave()

    def leave(self) -> None:
        self.room.bytes -= self.charged
        self.charged = 0


room = Room()  # of this process
