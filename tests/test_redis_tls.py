"""Redis by TLS with client certificates: who has none, an expired or a foreign one is not let in,
and a server nobody vouches for is not believed.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from app import db, redises
from app.flow.lanes.admission import Admission
from tests.certificates import Authority
from tests.conftest import Servers
from tests.flow.lanes.numbered import item
from tests.redis_tls import Door

NO_CERTIFICATE = ""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def door(embedded: Servers, authority: Authority) -> Iterator[Door]:
    with Door(embedded.redis_port, authority) as opened:
        yield opened


def url(door: Door, authority: Authority, name: str) -> str:
    folder = authority.folder
    shown = f"&ssl_certfile={folder}/{name}.crt&ssl_keyfile={folder}/{name}.key"
    return (
        f"rediss://127.0.0.1:{door.port}/0?ssl_ca_certs={authority.path}&ssl_check_hostname=yes"
        + (shown if name else "")
    )


@pytest.fixture
async def ask(door: Door, authority: Authority) -> AsyncIterator[object]:
    opened = []

    async def ping(name: str, its: Authority = authority) -> bool:
        client = redises.client(url(door, its, name))
        opened.append(client)
        return bool(await client.ping())

    yield ping
    for client in opened:
        await client.aclose()


async def test_who_shows_a_certificate_of_our_authority_is_let_in(ask, authority: Authority):
    authority.issue("web")
    assert await ask("web")


async def test_who_shows_none_an_expired_or_a_foreign_one_is_not(
    ask, authority: Authority, tmp_path: Path
):
    authority.issue("old", hours=-1)
    Authority(tmp_path, "others").issue("foreign")
    for name in (NO_CERTIFICATE, "old", "foreign"):
        with pytest.raises((RedisError, OSError)):
            await ask(name)


async def test_a_server_whose_certificate_nobody_we_trust_signed_is_not_believed(
    ask, authority: Authority, tmp_path: Path
):
    authority.issue("web")
    with pytest.raises(RedisError, match=r"certificate verify failed|CERTIFICATE_VERIFY_FAILED"):
        await ask("web", Authority(tmp_path, "others"))


async def test_webhooks_go_by_tls_into_their_lane_and_by_postgres_once_the_certificate_is_over(
    stores: db.Stores, door: Door, authority: Authority
):
    authority.issue("web")
    client = redises.client(url(door, authority, "web"))
    admission = Admission(dataclasses.replace(stores, queue=client))
    assert await admission.admit(item(1)) == "queued"
    authority.issue("web", hours=-1)
    await client.connection_pool.disconnect()
    assert await admission.admit(item(2)) == "spilled"
    authority.issue("web")
    admission.avoid_redis_until = 0.0
    assert await admission.admit(item(3)) == "queued", "a renewed one is read without a restart"
    await asyncio.gather(*admission.waking)
    await client.aclose()
