"""A connection to Redis as we need it, whoever of its servers is at the other end."""

import functools
from typing import Any

from redis.asyncio.connection import Connection, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError


@functools.cache
def of_ours(kind: type[Connection]) -> type[Connection]:
    """That kind of redis-py's connections, made ours."""
    return type(kind.__name__, (_OfOurs, kind), {})


class _OfOurs:
    """A Redis connection as we need it.

    One that was hung up on is a lost connection, with uvloop, too: that raises a RuntimeError where
    asyncio says nothing, and whoever waits for a Redis that is away would end.
    """

    def pack_command(self, *args: Any) -> list[bytes]:
        """Joined once: redis-py joins anew with each argument, and costs three times as much."""
        if " " in args[0]:  # such as CONFIG GET
            args = (*args[0].split(), *args[1:])
        encode = self.encoder.encode  # type: ignore[attr-defined] # the connection's
        parts = [b"*%d\r\n" % len(args)]
        for arg in args:
            kind = type(arg)
            if kind is str:
                arg = arg.encode()  # noqa: PLW2901
            elif kind is int:
                arg = b"%d" % arg  # noqa: PLW2901
            elif kind is not bytes:
                arg = encode(arg)  # noqa: PLW2901
            parts += (b"$%d\r\n" % len(arg), arg, b"\r\n")
        return [b"".join(parts)]

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        try:
            # the connection's, which comes next
            await super().send_packed_command(command, check_health)  # type: ignore[misc]
        except RuntimeError as error:
            raise RedisConnectionError(str(error)) from error

    def _connection_arguments(self) -> Any:
        if isinstance(self, SSLConnection):
            self.ssl_context.context = None  # its files may have been renewed
        return super()._connection_arguments()  # type: ignore[misc]
