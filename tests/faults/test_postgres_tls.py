"""TLS to Postgres with certificates on both sides: who has no good one stays out."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from app import config as settings
from app import db, postgres
from app.addresses import parse
from app.resilience import failures
from local import servers
from tests.databases import release
from tests.faults.certificates import Authority
from tests.template import wait_for_port

pytestmark = pytest.mark.long
ONLY_WITH_CERTIFICATE = """
hostssl all all 127.0.0.1/32 cert
local all all trust
"""
LOCKED = "SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


class Guarded:
    """A PostgreSQL that lets in who shows a certificate of its authority, over TLS alone."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, servers.free_port()
        self.authority = Authority(folder)
        self.certificates = {"server": self.authority.issue("server")}
        directory = folder / "postgres"
        servers.prepare_postgres(directory)
        owner = servers.postgres_user()
        for name, path in (("server.crt", 0), ("server.key", 1)):
            target = directory / name
            target.write_bytes(self.certificates["server"][path].read_bytes())
            target.chmod(0o600)
            if owner is not None:
                os.chown(target, owner, owner)
        (directory / "root.crt").write_bytes(self.authority.path.read_bytes())
        (directory / "pg_hba.conf").write_text(ONLY_WITH_CERTIFICATE)
        with (directory / "postgresql.conf").open("a") as conf:
            conf.write("ssl = on\nssl_ca_file = 'root.crt'\n")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local.servers", "postgres", str(directory), str(self.port)],
            cwd=settings.ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for_port(self.port)

    def url(
        self, certificate: tuple[Path, Path] | None, *, host: str = "127.0.0.1", **more: str
    ) -> str:
        told = {"sslmode": "verify-full", "sslrootcert": str(self.authority.path), **more}
        if certificate is not None:
            told |= {"sslcert": str(certificate[0]), "sslkey": str(certificate[1])}
        query = "&".join(f"{name}={value}" for name, value in told.items())
        return f"postgres://postgres@{host}:{self.port}/postgres?{query}"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    with tempfile.TemporaryDirectory(prefix="holdfast-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        made = Guarded(Path(name))
        yield made
        made.process.terminate()
        made.process.wait(60)


async def who(url: str) -> tuple[bool, str]:
    connection = await postgres.connect(parse(url))
    try:
        return tuple(await connection.fetchrow(LOCKED))
    finally:
        await connection.close()


async def test_with_its_certificate_a_process_is_let_in_and_the_line_is_locked(
    guarded: Guarded,
) -> None:
    assert await who(guarded.url(guarded.authority.issue("postgres"))) == (True, "/CN=postgres")


async def test_release_and_the_pools_of_a_process_go_over_it(
    guarded: Guarded, config: settings.Config
) -> None:
    url = guarded.url(guarded.authority.issue("postgres"))
    assert "database is ready" in await release(url)
    client = postgres.Client(
        **db.tortoise_config(replace(config, database_url=url))["connections"]["default"][
            "credentials"
        ]
    )
    await client.create_connection(with_db=True)
    try:
        async with client.acquire_connection() as connection:
            assert await connection.fetchval(
                "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            )
    finally:
        await client.close()


@pytest.mark.parametrize("whose", ["nobody's", "expired", "somebody else's", "another user's"])
async def test_who_has_no_good_certificate_stays_out(guarded: Guarded, whose: str) -> None:
    stranger = Authority(guarded.folder, "stranger")
    shown = {
        "nobody's": None,
        "expired": guarded.authority.issue("postgres", hours=-1, file="expired"),
        "somebody else's": stranger.issue("postgres", file="strange"),
        "another user's": guarded.authority.issue("charlie"),
    }[whose]
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await who(guarded.url(shown))


async def test_a_server_that_is_not_the_one_we_know_is_not_spoken_to(guarded: Guarded) -> None:
    stranger = Authority(guarded.folder, "stranger")
    good = guarded.authority.issue("postgres")
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED") as raised:
        await who(guarded.url(good, sslrootcert=str(stranger.path)))
    assert failures.is_store_away(raised.value), "as if it were away: nothing is lost or set aside"
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        await who(guarded.url(good, host="localhost"))
    assert await who(guarded.url(good, host="localhost", sslmode="verify-ca"))
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await who(guarded.url(None, sslmode="disable"))


async def test_a_renewed_certificate_is_used_without_a_restart(guarded: Guarded) -> None:
    shown = guarded.authority.issue("postgres", hours=-1, file="renewed")
    url = guarded.url(shown)
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await who(url)
    guarded.authority.issue("postgres", file="renewed")
    assert await who(url) == (True, "/CN=postgres")
