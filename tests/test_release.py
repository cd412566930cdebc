"""The release process on a database of its own."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from app import config as settings
from app import db
from app.flow import event as envelope
from app.services import SERVICES
from local import servers
from tests.databases import make_empty, migrate, release, run
from tests.flow.helpers import SHOP, order
from tests.template import wait_for_port

COLUMNS = """
SELECT table_name, column_name, data_type, character_maximum_length, numeric_precision,
       numeric_scale, is_nullable,
       is_identity, column_default
  FROM information_schema.columns
 WHERE table_schema = 'public' AND table_name NOT LIKE '%migration%'
 ORDER BY table_name, column_name
"""

GENERATE = """
import asyncio
from tortoise import Tortoise
from app import config, db
async def main():
    await Tortoise.init(config=db.tortoise_config(config.load()))
    await Tortoise.generate_schemas()
    await Tortoise.close_connections()
asyncio.run(main())
"""


@pytest.fixture
async def fresh_url(stores: db.Stores, config: settings.Config) -> str:
    """The address of a second, empty database on the same server."""
    return await make_empty(config, "fresh")


async def test_the_models_and_the_migrations_agree_on_every_column(
    fresh_url: str,
) -> None:
    """Indexes and partitions are the migrations' alone: models cannot say them."""
    await run(fresh_url, "-c", GENERATE)
    connection = await asyncpg.connect(fresh_url)
    try:
        generated = [tuple(row) for row in await connection.fetch(COLUMNS)]
    finally:
        await connection.close()
    async with db.connection() as migrated:
        found = [tuple(row) for row in await migrated.fetch(COLUMNS)]
    of_models = {column[0] for column in generated}
    assert len(of_models) > 10, "the models must have made something for this test to mean anything"
    assert [column for column in found if column[0] in of_models] == generated


@pytest.mark.long
async def test_of_two_releases_at_once_one_finds_all_done(fresh_url: str) -> None:
    said = await asyncio.gather(release(fresh_url), release(fresh_url))
    assert sum("apply_start" in one for one in said) == 1


BEFORE = "0002_claims_and_reversals"
RECEIPT = """
INSERT INTO receipts (shop, webhook_id, topic, outcome, request_id, received_at, recorded_at)
VALUES ('alice.myshopify.com', 'w1', 'orders/paid', 'facts', 'r', now(), now())
"""
IN_OUTBOX = """
INSERT INTO outbox (event_id, topic, shop, body, created_at) VALUES ($1, $2, $3, $4, now())
"""
HAD = "INSERT INTO consumed (service, event_id, consumed_at) VALUES ($1, $2, now())"


@pytest.mark.long
async def test_what_stood_in_the_old_outbox_and_streams_is_in_the_log_and_nothing_twice(
    fresh_url: str, stores: db.Stores, config: settings.Config
) -> None:
    await migrate(fresh_url, BEFORE)
    done, halfway, on_stream, published, waiting = (order(number) for number in range(1, 6))
    half = envelope.new("customer.created", SHOP, SHOP, {}, trace="r")

    async def publish(one: envelope.Event) -> None:
        body = envelope.encode(one)
        signature = envelope.sign(one.id, 7, body, config.event_secrets)
        entry = {"i": one.id, "t": 7, "s": signature, "b": body}
        await stores.queue.xadd(f"bus:{one.topic}", entry)

    before = await asyncpg.connect(fresh_url)
    try:
        await before.execute(RECEIPT)
        for one in (done, halfway, on_stream, half, published):
            await publish(one)
        await stores.queue.xadd(
            "bus:order.paid", {"i": "x", "t": 7, "s": "v1,forged", "b": envelope.encode(order(9))}
        )
        for one in (published, waiting):
            await before.execute(IN_OUTBOX, one.id, one.topic, one.shop, envelope.encode(one))
        for one in (done, half):
            for service in SERVICES:
                if one.topic in service.topics:
                    await before.execute(HAD, service.name, one.id)
    finally:
        await before.close()
    assert "apply_start" in await release(fresh_url)
    assert "apply_start" not in await release(fresh_url), "again it changes nothing"
    after = await asyncpg.connect(fresh_url)
    try:
        rows = await after.fetch("SELECT body FROM facts ORDER BY tx, id")
        found = [one.id for row in rows for one in envelope.unpack(row["body"])]
        assert found == [one.id for one in (halfway, on_stream, published, waiting)]
        assert await after.fetchval("SELECT webhook_id FROM receipts") == "w1"
        assert await after.fetchval("SELECT to_regclass('consumed')") is None
    finally:
        await after.close()
    assert await stores.queue.keys("bus:*") == []


@pytest.fixture
def old_url(tmp_path: Path) -> Iterator[str]:
    """The oldest Postgres that the wheel brings."""
    binaries = servers._wheel().POSTGRES_VERSIONS[16]
    owner, folder, port = servers.postgres_user(), tmp_path / "old", servers.free_port()
    folder.mkdir()
    if owner is not None:
        servers.open_path(folder)
        servers.open_path(binaries / "postgres")
        os.chown(folder, owner, owner)
    made = [binaries / "initdb", "-A", "trust", "-U", "postgres", "-D", folder]
    subprocess.run(made, check=True, capture_output=True, user=owner, cwd="/")
    server = subprocess.Popen(
        [binaries / "postgres", "-D", folder, "-p", str(port), "-k", "", "-h", "127.0.0.1"],
        user=owner,
        cwd="/",
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port)
        yield f"postgres://postgres@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(60)


@pytest.mark.long
async def test_a_postgres_that_is_too_old_is_refused_in_a_sentence_and_left_as_it_was(
    old_url: str,
) -> None:
    with pytest.raises(AssertionError, match="16, and Holdfast needs 17 or newer") as refused:
        await release(old_url)
    assert "Traceback" not in str(refused.value)
    connection = await asyncpg.connect(old_url)
    try:
        assert await connection.fetchval("SELECT to_regclass('tortoise_migrations')") is None
    finally:
        await connection.close()
