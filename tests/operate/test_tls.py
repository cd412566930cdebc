"""Redis and Postgres by TLS as real servers speak it: with certificates on both sides who has no
good one stays out, and a renewed one is used without a restart.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis.exceptions import RedisError

from app import db, postgres, redises
from app.addresses import parse
from app.core.models import Shop
from app.flow.lanes.admission import Admission
from app.resilience import failures
from app.services import PROCESSES
from tests import template
from tests.certificates import Authority
from tests.databases import run
from tests.faults.clusters import Cluster
from tests.faults.lanes import draining, traces
from tests.faults.redises import OwnRedis, stores_on
from tests.flow.helpers import until
from tests.flow.lanes.drains import ALICE
from tests.operate.by_tls import (
    REDIS_TOOL,
    TlsRedis,
    TlsSentinels,
    TlsStack,
    ask,
    query,
)
from tests.operate.parts import needed
from tests.waiting import wait_for
from tests.workers.test_ingest import item as customer

pytestmark = pytest.mark.operate
REFUSED = (RedisError, OSError)
SECONDS = 60


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    needed(REDIS_TOOL)
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> Iterator[TlsRedis]:
    started = TlsRedis(authority, tmp_path / "redis")
    yield started
    started.kill()


async def answers(url: str) -> bool:
    client = redises.client(url, timeout_seconds=2.0)
    try:
        return bool(await client.ping())
    finally:
        await client.aclose()


def test_it_is_a_real_server_and_speaks_nothing_else(server: TlsRedis) -> None:
    with server.client() as client:
        info = client.info("server")
        assert (info["redis_version"] >= "7", client.config_get("port")) == (True, {"port": "0"})


async def test_who_has_no_good_certificate_stays_out_of_redis(
    server: TlsRedis, authority: Authority
) -> None:
    good = authority.issue("web")
    at = f"rediss://127.0.0.1:{server.port}/0"
    assert await answers(f"{at}?{query(authority, good)}")
    stranger = Authority(authority.folder, "stranger")
    expired = authority.issue("web", hours=-1, file="expired")
    foreign = stranger.issue("web", file="foreign")
    for url in (
        f"redis://127.0.0.1:{server.port}/0",
        f"{at}?ssl_ca_certs={authority.path}",
        f"{at}?{query(authority, expired)}",
        f"{at}?{query(authority, foreign)}",
        f"{at}?{query(stranger, good)}",
        f"rediss://localhost:{server.port}/0?{query(authority, good)}",  # another name
    ):
        with pytest.raises(REFUSED) as raised:
            await answers(url)
        assert failures.is_store_away(raised.value), url


async def test_webhooks_go_on_with_a_renewed_certificate(
    stores: db.Stores, server: TlsRedis, authority: Authority
) -> None:
    url = f"rediss://127.0.0.1:{server.port}/0?{query(authority, authority.issue('web'))}"
    await Shop.create(domain=ALICE)
    async with stores_on(stores, url) as own, draining(own):
        admission = Admission(own)
        assert await admission.admit(customer("w1")) == "queued"
        authority.issue("web", hours=-1)
        await own.queue.connection_pool.disconnect(inuse_connections=False)
        assert await admission.admit(customer("w2")) == "spilled"
        authority.issue("web")

        async def is_queued() -> bool:
            """A connection that was begun before may lie in the pool: it is tried once."""
            admission.avoid_redis_until = 0.0
            return await admission.admit(customer("w3")) == "queued"

        assert await until(is_queued, 10.0)

        async def all_there() -> bool:
            return await traces() == ["w1", "w2", "w3"]

        assert await until(all_there, 30.0)


async def test_sentinels_by_tls_name_the_next_primary_and_nothing_is_lost(
    stores: db.Stores, authority: Authority, tmp_path: Path
) -> None:
    sentinels = TlsSentinels(authority, tmp_path)
    try:
        url = sentinels.url_with(authority.issue("web"))
        with pytest.raises(REFUSED):
            await answers(sentinels.url_with(authority.issue("web", hours=-1, file="expired")))
        with pytest.raises(REFUSED):
            await answers(sentinels.url)
        await Shop.create(domain=ALICE)
        async with stores_on(stores, url) as own, draining(own):
            admission, sent = Admission(own), list[str]()

            async def is_queued() -> bool:
                sent.append(f"w{len(sent):03}")
                return await admission.admit(customer(sent[-1])) == "queued"

            async def is_queued_soon() -> bool:
                await asyncio.sleep(0.2)
                return await is_queued()

            assert await until(is_queued_soon, 30.0)
            before = sentinels.primary
            before.kill()
            assert not await is_queued()
            await asyncio.to_thread(sentinels.wait_for_another, before)
            before.start()
            assert await until(is_queued_soon, 60.0)

            async def all_there() -> bool:
                return await traces() == sent

            assert await until(all_there, 60.0)
    finally:
        sentinels.stop()


async def test_a_cluster_by_tls_holds_the_cache(authority: Authority, tmp_path: Path) -> None:
    def make(*options: Any, **settings: Any) -> OwnRedis:
        return TlsRedis(authority, *options, **settings)

    cluster = Cluster(tmp_path, make)
    try:
        hosts = cluster.url.partition("//")[2]
        url = f"rediss+cluster://{hosts}?{query(authority, authority.issue('web'))}"
        client = redises.cache_client(url, timeout_seconds=1.0, connections_max=8)
        for number in range(50):
            await client.set(f"cache:{number}", str(number), px=60_000)
        assert [await client.get(f"cache:{number}") for number in (0, 49)] == [b"0", b"49"]
        assert len({one.port for one in cluster.nodes if list(_keys(one))}) >= 3
        await client.aclose()
        other = redises.cache_client(cluster.url, timeout_seconds=1.0, connections_max=8)
        with pytest.raises(REFUSED):
            await other.get("cache:1")
        await other.aclose()
    finally:
        cluster.stop()


def _keys(one: OwnRedis) -> Iterator[bytes]:
    with one.client() as client:
        yield from client.scan_iter(count=1000)


# the whole product


@pytest.fixture
def stack() -> Iterator[TlsStack]:
    needed(REDIS_TOOL, "mvn")
    with (
        template.folder(),
        tempfile.TemporaryDirectory(prefix="holdfast-tls-", ignore_cleanup_errors=True) as name,
    ):
        Path(name).chmod(0o755)
        made = TlsStack(Path(name))
        template.copy_postgres(made.directory / "postgres")
        (made.directory / "released").touch()
        try:
            made.start("postgres", "redis")
            asyncio.run(_release(made))
            made.start_everything()
            made.install()
            yield made
        finally:
            made.stop_everything()


async def _release(stack: TlsStack) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_ROLES", stack.environment["DATABASE_ROLES"])
        patch.setenv("SHOPIFY_API_SECRET", stack.environment["SHOPIFY_API_SECRET"])
        assert "database is ready" in await run(
            stack.environment["DATABASE_URL"], "-m", "workers.release"
        )
    for process in PROCESSES:
        await ask(stack, f"CREATE ROLE {process}_login LOGIN IN ROLE holdfast_{process}")


SESSIONS = """
SELECT usename, ssl, client_dn FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
 WHERE backend_type = 'client backend' AND pid != pg_backend_pid()
"""
END = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE usename = 'points_login' AND pid != pg_backend_pid()
"""


@pytest.mark.long
def test_the_whole_product_with_a_certificate_for_each_process_one_of_which_ends(
    stack: TlsStack,
) -> None:
    bob = stack.customer("Bob")
    stack.order(bob, "100.00")
    stack.wait_for_points(bob, 100, SECONDS)
    sessions = asyncio.run(ask(stack, SESSIONS))
    assert {row["usename"] for row in sessions} >= {f"{one}_login" for one in PROCESSES}
    for row in sessions:
        assert row["ssl"]
        assert row["client_dn"] == f"/CN={row['usename']}"

    stack.issue("points", hours=-1)
    asyncio.run(ask(stack, END))
    with stack.ask_redis() as client:
        client.client_kill_filter(_type="normal")
    stack.order(bob, "100.00")
    wait_for(
        "points is not there",
        lambda: stack.health().get("services", {}).get("points", {}).get("status") != "healthy",
        SECONDS,
    )
    assert stack.me(bob)["points"]["available"] == 100
    assert stack.open_admin("/customers").status_code == 200
    assert stack.control("GET", "deliveries?topic=orders/paid")[0]["state"] == "delivered"

    stack.issue("points")
    stack.wait_for_points(bob, 200, SECONDS)
    wait_for("healthy", lambda: stack.health().get("status") == "ok", SECONDS)
    print(stack.verify())
    for log in stack.directory.glob("*.log"):
        assert "permission denied" not in log.read_text(), log.name


@pytest.mark.long
async def test_who_has_no_good_certificate_stays_out_of_postgres(stack: TlsStack) -> None:
    ours, stranger = stack.authority, Authority(stack.authority.folder, "stranger")
    good = stack.environment["DATABASE_URL"]
    connection = await postgres.connect(parse(good))
    await connection.close()
    expired = ours.issue("postgres", hours=-1, file="expired")
    foreign = stranger.issue("postgres", file="foreign")
    others = (ours.folder / "points_login.crt", ours.folder / "points_login.key")
    plain = good.partition("?")[0]
    for url in (
        f"{plain}?sslmode=disable",
        f"{plain}?sslmode=verify-full&sslrootcert={ours.path}",
        stack.as_user("postgres", expired)["DATABASE_URL"],
        stack.as_user("postgres", foreign)["DATABASE_URL"],
        stack.as_user("postgres", others)["DATABASE_URL"],
        good.replace("127.0.0.1", "localhost"),
        good.replace(str(ours.path), str(stranger.path)),
    ):
        with pytest.raises((OSError, asyncpg.PostgresError)) as raised:
            await postgres.connect(parse(url))
        assert failures.is_store_away(raised.value), url
    login = await postgres.connect(parse(stack.as_user("points_login", others)["DATABASE_URL"]))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await login.execute("DELETE FROM receipts")
    await login.close()
