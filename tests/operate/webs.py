"""Two webs that answer what they were told, for whoever looks at the router alone."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator


async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
    """A web that answers what it was told."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = [line.split(": ", 1) for line in lines]
            length = next((int(v) for n, v in headers if n.lower() == "content-length"), 0)
            await reader.readexactly(length)
            body = json.dumps({"track": name, "first": first, "headers": headers}).encode()
            sent = b"" if first.startswith("HEAD") else body
            writer.write(
                b"HTTP/1.1 200 OK\r\nx-track: %b\r\ncontent-length: %d\r\n\r\n%b"
                % (name.encode(), len(body), sent)
            )
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def webs() -> AsyncIterator[dict[str, int]]:
    ports = {}
    async with contextlib.AsyncExitStack() as stack:
        for name in ("stable", "canary"):
            server = await asyncio.start_server(
                lambda r, w, name=name: told(r, w, name), "127.0.0.1", 0, limit=200_000
            )
            await stack.enter_async_context(server)
            ports[name] = server.sockets[0].getsockname()[1]
        yield ports
