"""A door before a Redis that lets in only who shows a certificate."""

import asyncio
import contextlib
import ssl
import threading
from typing import Self

from tests.certificates import Authority

CHUNK_BYTES = 65_536
CALL_SECONDS = 5.0


class Door:
    """TLS on `port` before a server on the loopback interface, for clients with a certificate of
    that authority; started and ended by `with`.
    """

    def __init__(self, server_port: int, authority: Authority) -> None:
        self.server_port = server_port
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(authority.path)
        self.context.load_cert_chain(*authority.issue("server"))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        started = asyncio.start_server(self._carry, "127.0.0.1", 0, ssl=self.context)
        self._server = asyncio.run_coroutine_threadsafe(started, self._loop).result(CALL_SECONDS)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(CALL_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_SECONDS)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        ours = asyncio.current_task()
        open_ones = [task for task in asyncio.all_tasks() if task is not ours]
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        try:
            await asyncio.gather(_copy(reader, up_writer), _copy(up_reader, writer))
        except OSError:
            pass  # hung up
        finally:
            for one in (writer, up_writer):
                one.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()
