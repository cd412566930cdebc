"""A TCP proxy before a store that can fall silent: nobody answers, and nobody hangs up either.

What the proxy has in its hands waits in order, and arrives when it passes again, as with a network
that heals. Unlike a host that vanished, the kernel here still acknowledges keepalives: who relies
on those alone is found out.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self

BACKLOG = 128
CHUNK_BYTES = 65_536
CALL_SECONDS = 5.0
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST instead of FIN


class Link:
    """One connection through the proxy, with a gate for each way."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.upward, self.downward = asyncio.Event(), asyncio.Event()
        self.is_doomed = False  # its next answer is lost
        self.task: asyncio.Task[None] | None = None


class Silence:
    """Listens on `port` for a server on the loopback interface; started and ended by `with`."""

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port
        self.answers_lost = 0
        self._links: set[Link] = set()
        self._is_accepting, self._are_answers_held = True, False
        self._delay_seconds = 0.0
        self._doomed_request: bytes | None = None
        self._plug: socket.socket | None = None
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._accept_from_now_on)
        return self

    def __exit__(self, *_: object) -> None:
        self._wait_for(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_SECONDS)
        self._loop.close()

    # what a test does, at any moment and from any thread

    def pass_on(self) -> None:
        """As if nothing had been between: what was held arrives now."""
        self._call(self._pass_on)

    def be_black_hole(self) -> None:
        """Nothing passes, no new connection comes about, and no open one ends."""
        self._call(self._be_black_hole)

    def silence_old(self) -> None:
        """The connections of this moment are silent, new ones work."""
        self._call(self._silence_old)

    def hold_answers(self) -> None:
        """What is sent reaches the server, what it answers comes with `pass_on` or never."""
        self._call(self._hold_answers)

    def lose_answer(self, request: bytes = b"") -> None:
        """The next request with these bytes is done, but a reset comes in place of its answer."""
        self._call(lambda: setattr(self, "_doomed_request", request))

    def delay(self, seconds: float) -> None:
        """Each way of whatever is sent takes that much longer."""
        self._call(lambda: setattr(self, "_delay_seconds", seconds))

    def reset(self) -> None:
        """Every open connection ends with a RST on both sides, now; new ones come as before."""
        self._call(self._reset)

    @property
    def connections(self) -> int:
        return len(self._links)

    # the same, in the thread of the proxy

    def _pass_on(self) -> None:
        self._delay_seconds, self._doomed_request, self._are_answers_held = 0.0, None, False
        if not self._is_accepting:
            self._accept_from_now_on()
        for link in self._links:
            link.upward.set()
            link.downward.set()

    def _be_black_hole(self) -> None:
        if self._is_accepting:
            self._loop.remove_reader(self._listener)
            self._is_accepting = False
            # a queue of one with one in it: the kernel drops whoever else wants to connect
            self._listener.listen(0)
            self._plug = socket.socket()
            self._plug.setblocking(False)
            self._plug.connect_ex(("127.0.0.1", self.port))
        self._silence_old()

    def _silence_old(self) -> None:
        for link in self._links:
            link.upward.clear()
            link.downward.clear()

    def _hold_answers(self) -> None:
        self._are_answers_held = True
        for link in self._links:
            link.downward.clear()

    def _reset(self) -> None:
        for link in set(self._links):
            self._end_link(link, with_reset=True)

    def _accept_from_now_on(self) -> None:
        if self._plug:
            self._plug.close()
            self._plug = None
        self._is_accepting = True
        self._listener.listen(BACKLOG)
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            client, _ = self._listener.accept()
            server = socket.socket()
            for one in (client, server):
                one.setblocking(False)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(client, server)
            link.upward.set()
            if not self._are_answers_held:
                link.downward.set()
            self._links.add(link)
            link.task = self._loop.create_task(self._carry(link))

    async def _carry(self, link: Link) -> None:
        try:
            await self._loop.sock_connect(link.server, ("127.0.0.1", self.server_port))
            async with asyncio.TaskGroup() as both:
                both.create_task(self._up(link))
                both.create_task(self._down(link))
        except* OSError:
            self._end_link(link, with_reset=True)
        else:
            self._end_link(link, with_reset=False)

    async def _up(self, link: Link) -> None:
        while data := await self._receive(link.client, link.upward):
            if self._doomed_request is not None and self._doomed_request in data:
                self._doomed_request, link.is_doomed = None, True
            await self._loop.sock_sendall(link.server, data)
        link.server.shutdown(socket.SHUT_WR)

    async def _down(self, link: Link) -> None:
        while data := await self._receive(link.server, link.downward):
            if link.is_doomed:
                self.answers_lost += 1
                raise ConnectionResetError
            await self._loop.sock_sendall(link.client, data)
        link.client.shutdown(socket.SHUT_WR)

    async def _receive(self, source: socket.socket, gate: asyncio.Event) -> bytes:
        """What has come in, once it may go on; nothing when the other side has hung up."""
        await gate.wait()
        data = await self._loop.sock_recv(source, CHUNK_BYTES)
        if self._delay_seconds:
            await asyncio.sleep(self._delay_seconds)
        await gate.wait()
        return data

    def _end_link(self, link: Link, *, with_reset: bool) -> None:
        self._links.discard(link)
        if link.task and link.task is not asyncio.current_task(self._loop):
            link.task.cancel()
        for one in (link.client, link.server):
            if with_reset and one.fileno() >= 0:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            one.close()

    async def _end(self) -> None:
        self._loop.remove_reader(self._listener)
        tasks = [link.task for link in self._links if link.task]
        self._reset()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._plug:
            self._plug.close()
        self._listener.close()

    # between the threads

    def _call(self, work: Callable[[], object]) -> None:
        async def run() -> None:
            work()

        self._wait_for(run())

    def _wait_for(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS)
