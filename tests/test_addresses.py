"""DATABASE_URL as people write it, and which of several hosts is asked."""

import asyncio
import os
from collections.abc import Iterator

import asyncpg
import pytest

from app import addresses, postgres
from app.addresses import parse
from app.config import Config
from app.resilience import failures
from local import servers
from tests.conftest import Servers
from tests.databases import named
from tests.silence import Silence


def test_an_address_is_read_as_libpq_writes_it() -> None:
    found = parse("postgres://alice:p%40ss@db.example:6432/holdfast?sslmode=disable")
    assert (found.hosts, found.user, found.password) == (
        (("db.example", 6432),),
        "alice",
        "p@ss",
    )
    assert (found.database, found.session_attrs, found.ssl()) == ("holdfast", "any", False)
    assert "p@ss" not in repr(found)


def test_a_socket_has_its_folder_in_the_query() -> None:
    found = parse("postgres://postgres@/postgres?host=%2Frun%2Fpg&port=17000")
    assert found.hosts == (("/run/pg", 17_000),)


def test_of_several_hosts_the_one_that_can_be_written_to_is_meant() -> None:
    found = parse("postgres://u@one,two:5433,[::1]:5434/x")
    assert found.hosts == (("one", 5432), ("two", 5433), ("::1", 5434))
    assert found.session_attrs == "read-write"
    told = parse("postgres://u@one,two/x?target_session_attrs=any&port=6000")
    assert told.hosts == (("one", 6000), ("two", 6000))
    assert told.session_attrs == "any"


def test_what_means_nothing_is_refused() -> None:
    for wrong in ("postgres://h/x?sslmode=maybe", "postgres://h:port/x"):
        with pytest.raises(ValueError, match=r"sslmode|invalid literal"):
            parse(wrong)


@pytest.fixture
def silent(embedded: Servers) -> Iterator[Silence]:
    with Silence(embedded.postgres_port) as made:
        yield made


async def test_a_host_that_refuses_costs_nothing_and_one_that_is_silent_only_once(
    embedded: Servers, silent: Silence
) -> None:
    there = embedded.postgres_port
    closed = servers.free_port()
    silent.be_black_hole()
    url = (
        f"postgres://postgres@127.0.0.1:{closed},127.0.0.1:{silent.port},127.0.0.1:{there}/postgres"
    )
    address = addresses.parse(url)
    connection = await postgres.connect(address, timeout=1.5)
    await connection.close()
    took = [60.0]
    while min(took) > 0.4 and len(took) < 10:  # a machine may stand still now and then
        began = asyncio.get_running_loop().time()
        connection = await postgres.connect(address, timeout=1.5)
        await connection.close()
        took.append(asyncio.get_running_loop().time() - began)
    assert min(took) < 0.4, "who served last is asked first"


async def test_a_page_that_does_not_wait_for_a_silent_host_leaves_the_next_one_another(
    embedded: Servers, silent: Silence
) -> None:
    there = embedded.postgres_port
    silent.be_black_hole()
    url = f"postgres://postgres@127.0.0.1:{silent.port},127.0.0.1:{there}/postgres?x={os.getpid()}"
    address = addresses.parse(url)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(postgres.connect(address, timeout=20.0), 0.5)
    connection = await asyncio.wait_for(postgres.connect(address, timeout=20.0), 9.0)
    await connection.close()


def test_a_database_that_takes_our_login_no_more_is_away_and_no_event_is_to_blame() -> None:
    for error in (
        asyncpg.InvalidPasswordError("password authentication failed"),
        asyncpg.InvalidAuthorizationSpecificationError("certificate authentication failed"),
    ):
        assert failures.is_store_away(error)
        assert failures.is_passing(error)


async def test_where_no_host_serves_what_the_last_one_said_is_raised(config: Config) -> None:
    port = servers.free_port()
    with pytest.raises(OSError, match="Errno 111"):
        await postgres.connect(parse(f"postgres://postgres@127.0.0.1:{port},127.0.0.1:{port}/x"))
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await postgres.connect(parse(named(config.database_url, "nowhere")))
