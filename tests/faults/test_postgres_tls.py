"""TLS to Postgres with certificates on both sides: who has no good one stays out.

The embedded build knows no TLS, so a door as poolers and platforms have it stands before it: it
speaks Postgres' own way into TLS and asks for a certificate.
"""

import contextlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from app import config as settings
from app import db, postgres
from app.addresses import parse
from app.resilience import failures
from tests.certificates import Authority
from tests.databases import release

pytestmark = pytest.mark.long
SSL_REQUEST = bytes.fromhex("0000000804d2162f")
REFUSED = (OSError, asyncpg.PostgresError)


class Door:
    """Lets in who shows a certificate of its authority, and nobody without TLS."""

    def __init__(self, folder: Path, config: settings.Config) -> None:
        self.folder, self.authority = folder, Authority(folder)
        self.server_port = parse(config.database_url).hosts[0][1]
        self.seen: list[str] = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*self.authority.issue("server"))
        self.context.load_verify_locations(self.authority.path)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(
        self, certificate: tuple[Path, Path] | None, host: str = "127.0.0.1", **more: str
    ) -> str:
        told = {"sslmode": "verify-full", "sslrootcert": str(self.authority.path), **more}
        if certificate is not None:
            told |= {"sslcert": str(certificate[0]), "sslkey": str(certificate[1])}
        query = "&".join(f"{name}={value}" for name, value in told.items())
        return f"postgres://postgres@{host}:{self.port}/postgres?{query}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(
                    target=self._serve, args=(self.listener.accept()[0],), daemon=True
                ).start()

    def _serve(self, plain: socket.socket) -> None:
        with plain, contextlib.suppress(OSError):
            if plain.recv(8, socket.MSG_WAITALL) != SSL_REQUEST:
                return
            plain.sendall(b"S")
            with self.context.wrap_socket(plain, server_side=True) as locked:
                subject = dict(one[0] for one in locked.getpeercert()["subject"])
                self.seen.append(subject["commonName"])
                with socket.create_connection(("127.0.0.1", self.server_port)) as server:
                    back = threading.Thread(target=_pump, args=(server, locked), daemon=True)
                    back.start()
                    _pump(locked, server)
                    back.join(5)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def door(config: settings.Config) -> Iterator[Door]:
    with tempfile.TemporaryDirectory(prefix="holdfast-") as name:
        made = Door(Path(name), config)
        yield made
        made.listener.close()


async def answers(url: str) -> bool:
    connection = await postgres.connect(parse(url))
    try:
        return bool(await connection.fetchval("SELECT true"))
    finally:
        await connection.close()


async def test_with_its_certificate_a_process_is_let_in(door: Door) -> None:
    assert await answers(door.url(door.authority.issue("points")))
    assert door.seen[-1] == "points"


async def test_release_and_the_pools_of_a_process_go_over_it(
    door: Door, config: settings.Config
) -> None:
    url = door.url(door.authority.issue("web"))
    assert "database is ready" in await release(url)
    door.seen.clear()
    told = db.tortoise_config(replace(config, database_url=url))
    client = postgres.Client(
        connection_name="default", **told["connections"]["default"]["credentials"]
    )
    await client.create_connection(with_db=True)
    try:
        async with client.acquire_connection() as connection:
            assert await connection.fetchval("SELECT count(*) FROM places") >= 0
    finally:
        await client.close()
    assert door.seen == ["web"]


@pytest.mark.parametrize("whose", ["nobody's", "expired", "somebody else's"])
async def test_who_has_no_good_certificate_stays_out(door: Door, whose: str) -> None:
    shown = {
        "nobody's": None,
        "expired": door.authority.issue("points", hours=-1, file="expired"),
        "somebody else's": Authority(door.folder, "stranger").issue("points", file="strange"),
    }[whose]
    with pytest.raises(REFUSED) as raised:
        await answers(door.url(shown))
    assert failures.is_store_away(raised.value), "as if it were away: nothing is lost or set aside"


async def test_a_server_that_is_not_the_one_we_know_is_not_spoken_to(door: Door) -> None:
    stranger = Authority(door.folder, "stranger")
    good = door.authority.issue("points")
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED") as raised:
        await answers(door.url(good, sslrootcert=str(stranger.path)))
    assert failures.is_store_away(raised.value)
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        await answers(door.url(good, "localhost"))
    assert await answers(door.url(good, "localhost", sslmode="verify-ca"))
    with pytest.raises(REFUSED):
        await answers(door.url(good, sslmode="disable"))


async def test_a_renewed_certificate_is_used_without_a_restart(door: Door) -> None:
    url = door.url(door.authority.issue("points", hours=-1, file="renewed"))
    with pytest.raises(REFUSED):
        await answers(url)
    door.authority.issue("points", file="renewed")
    assert await answers(url)
