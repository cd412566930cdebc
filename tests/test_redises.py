"""How a Redis is named, and how sentinels, which may be away or know none, tell its primary."""

import asyncio
import contextlib
import math
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from app import config as settings
from app import redises
from app.flow.lanes import bodies
from tests.flow.lanes.numbered import item
from tests.resetting import resetting
from tests.test_config import COMPLETE

FIELDS = {
    "name": "main",
    "ip": "127.0.0.1",
    "port": "7000",
    "flags": "master",
    "num-other-sentinels": "2",
}


@asynccontextmanager
async def server(answers: dict[bytes, bytes | None]) -> AsyncIterator[int]:
    """Says to a command with such a word in it what stands there, nothing when that is None, and
    OK to any other; its port.
    """

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(10_000):
                for command in re.split(rb"\*\d+\r\n", data)[1:]:
                    said = [answers[word] for word in answers if word in command.upper()]
                    writer.write((said or [b"+PONG\r\n"])[0] or b"")
        writer.transport.abort()

    started = await asyncio.start_server(talk, "127.0.0.1", 0)
    yield started.sockets[0].getsockname()[1]
    started.close()
    await asyncio.sleep(0.01)  # so that those who talk see that nobody is there any more


def sentinel(answer: bytes | None) -> AbstractAsyncContextManager[int]:
    return server({b"MASTERS": answer})


def masters(**fields: str) -> bytes:
    said = [part for pair in {**FIELDS, **fields}.items() for part in pair]
    inner = "".join(f"${len(one)}\r\n{one}\r\n" for one in said)
    return f"*1\r\n*{len(said)}\r\n{inner}".encode()


def primary(*ports: int) -> redises.Primary:
    hosts = [("127.0.0.1", port) for port in ports]
    return redises.Primary(hosts, "main", {}, is_secure=False)


def test_a_url_of_sentinels_names_hosts_primary_database_and_secrets() -> None:
    client = redises.client(
        "rediss+sentinel://bob:p%40ss@a:1,b,[::1]:7/main/2?sentinel_password=s&ssl_ca_certs=/ca"
    )
    pool = client.connection_pool
    known = pool.connection_kwargs["connection_pool"]
    assert known.sentinels == [("a", 1), ("b", 26_379), ("::1", 7)]
    assert (known.name, known.options["password"]) == ("main", "s")
    assert issubclass(known.options["connection_class"], SSLConnection)
    assert known.options["ssl_ca_certs"] == "/ca"
    made = pool.make_connection()
    assert (made.username, made.password, made.db) == ("bob", "p@ss", 2)
    assert made.socket_timeout == 5.0
    assert pool.max_connections == redises.CONNECTIONS_MAX


def test_settings_take_several_for_lanes_and_a_cluster_for_the_cache_alone() -> None:
    several = "redis://a/0 rediss+sentinel://b:1,c:2/main/0"
    config = settings.load({**COMPLETE, "REDIS_URL": several})
    assert config.redis_url == config.cache_redis_url == "redis://a/0"
    assert config.lane_redis_urls == ("rediss+sentinel://b:1,c:2/main/0",)
    assert settings.load({**COMPLETE, "CACHE_REDIS_URL": "redis+cluster://a:1,b:2"})
    for name, value in (
        ("REDIS_URL", "redis+cluster://a:1"),
        ("REDIS_URL", "redis://a/0 http://secret"),
        ("CACHE_REDIS_URL", "memcached://secret"),
    ):
        with pytest.raises(settings.MissingSettingsError, match=f"{name} must begin with") as told:
            settings.load({**COMPLETE, name: value})
        assert "secret" not in str(told.value)


async def test_the_first_sentinel_that_answers_and_knows_one_is_asked_first_from_then_on() -> None:
    async with sentinel(masters()) as good, sentinel(None) as silent:
        found = primary(9, silent, good)
        assert await found.get_master_address() == ("127.0.0.1", 7000)
        assert found.sentinels[0] == ("127.0.0.1", good)
    assert await found.get_master_address() == ("127.0.0.1", 7000), "all away: as it was"


@pytest.mark.parametrize(
    "said", [masters(name="other"), masters(flags="master,s_down"), b"-NOAUTH no\r\n", None]
)
async def test_where_no_sentinel_knows_a_primary_that_answers_it_is_a_lost_connection(said) -> None:
    async with sentinel(said) as port:
        with pytest.raises(MasterNotFoundError) as raised:
            await primary(port).get_master_address()
    assert isinstance(raised.value, RedisConnectionError)


@pytest.mark.parametrize(
    "refusal",
    [
        b"-READONLY You can't write against a read only replica.\r\n",
        b"-ERR Error running script: @user_script: 1: -READONLY You can't write.\r\n",
    ],
)
async def test_a_primary_that_has_become_a_replica_is_a_lost_connection(refusal: bytes) -> None:
    async with (
        server({b"EVAL": refusal}) as port,
        sentinel(masters(port=str(port))) as asked,
    ):
        client = redises.client(f"redis+sentinel://127.0.0.1:{asked}/main/0")
        with pytest.raises(RedisConnectionError):
            await client.eval("return 1", 0)
        assert await client.ping(), "the next one asks who the primary is"
        await client.aclose()
        plain = redises.client(f"redis://127.0.0.1:{port}/0")
        with pytest.raises(ResponseError):
            await plain.eval("return 1", 0)
        await plain.aclose()


async def test_what_uvloop_says_of_a_closed_connection_is_a_lost_one_for_every_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def closed(*_: object, **__: object) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport>; the handler is closed")

    monkeypatch.setattr(Connection, "send_packed_command", closed)
    # whoever is connected is left alone: a server that took its part would wait for who hangs on
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        sentinels = redises.client(f"redis+sentinel://127.0.0.1:{port}/main/0")
        alone = redises.client(f"redis://127.0.0.1:{port}/0")
        cluster = redises.cache_client(
            f"redis+cluster://127.0.0.1:{port}", timeout_seconds=1.0, connections_max=2
        )
        primary = sentinels.connection_pool.connection_kwargs["connection_pool"]
        [node] = cluster.nodes_manager.startup_nodes.values()
        assert await primary.agreed() is None
        for asked in (primary.get_master_address, alone.ping, lambda: node.execute_command("PING")):
            with pytest.raises(RedisConnectionError):
                await asked()
        await node.disconnect()
        for client in (sentinels, alone, cluster):
            await client.aclose()


TRIES = 300


async def test_what_resets_each_connection_is_a_lost_connection_whatever_it_was_to_be() -> None:
    """Also in the moment between that it stands and that it is used, which uvloop has errors of its
    own for: seldom with sentinels, half of the time with one server.
    """
    with resetting() as port:
        sentinels = redises.client(f"redis+sentinel://127.0.0.1:{port}/main/0")
        primary = sentinels.connection_pool.connection_kwargs["connection_pool"]
        server = redises.client(f"redis://127.0.0.1:{port}/0")
        cluster = redises.cache_client(
            f"redis+cluster://127.0.0.1:{port}", timeout_seconds=1.0, connections_max=2
        )
        for _ in range(TRIES):
            primary.asked_at = -math.inf
            assert await primary.agreed() is None
            for asked in (primary.get_master_address, server.ping, cluster.ping):
                with pytest.raises(RedisConnectionError):
                    await asked()
        with pytest.raises(RedisConnectionError):
            await cluster.pipeline(transaction=False).get("x").execute()
        assert await bodies.foreign(cluster, [item(1, body=b"x" * 100)]) == [False]
        for client in (sentinels, server, cluster):
            await client.aclose()
