"""Kafka over TLS: with certificates on both sides, or a password; who has neither is refused."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException

from app import db
from app.flow.bus import log as fact_log
from app.flow.bus.kafka import address
from local import servers
from ops.kafka import broker
from tests.certificates import Authority
from tests.flow.helpers import Service, emit, order
from tests.operate.kafka.buses import over_kafka
from tests.operate.parts import needed
from tests.waiting import wait_for

pytestmark = pytest.mark.operate
PASSWORD = "p/w of alice"  # with what a URL must escape
TRUST = """
ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.crt
"""
MUTUAL = "ssl.client.auth=required"
WITH_PASSWORD = f"""
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required \
username="holdfast" password="{PASSWORD}" user_holdfast="{PASSWORD}";
"""


@pytest.fixture
def bus() -> Any:
    """No broker but those of these tests."""
    return fact_log


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    needed("java", "mvn")
    ours, theirs = Authority(tmp_path, "ca"), Authority(tmp_path, "stranger-ca")
    certificate, key = ours.issue("server")
    # the broker wants both in one file
    (tmp_path / "server.pem").write_bytes(key.read_bytes() + certificate.read_bytes())
    ours.issue("client")
    theirs.issue("stranger")
    return tmp_path


@contextmanager
def secured(folder: Path, protocol: str, more: str) -> Iterator[int]:
    """A broker that speaks only this; its port."""
    port, place = servers.free_port(), folder / "kafka"
    broker.prepare([place], [port], protocol=protocol, more=TRUST.format(folder=folder) + more)
    with (folder / "kafka.log").open("wb") as log:
        running = subprocess.Popen(broker.command(place), stdout=log, stderr=log)
    try:
        wait_for("Kafka listens", lambda: servers.is_listening(port), 90)
        yield port
    finally:
        running.kill()
        running.wait()


async def is_refused(url: str) -> bool:
    try:
        await asyncio.to_thread(address.answer, address.parse(url))
    except KafkaException:
        return True
    return False


async def passes(stores: db.Stores, service: Service, url: str) -> None:
    async with over_kafka(stores, url) as bus:
        await emit(order(1))
        await Service(stores, bus).run_once()
    assert await service.effects() == [1]


async def test_certificates_prove_both_sides(
    stores: db.Stores, service: Service, folder: Path
) -> None:
    with secured(folder, "SSL", MUTUAL) as port:
        url = f"kafkas://127.0.0.1:{port}/facts?ca={folder}/ca.crt"
        mine = f"{url}&certificate={folder}/client.crt&key={folder}/client.key"
        await passes(stores, service, mine)
        assert await is_refused(url), "without a certificate"
        theirs = f"&certificate={folder}/stranger.crt&key={folder}/stranger.key"
        assert await is_refused(url + theirs), "with one that somebody else signed"
        assert await is_refused(mine.replace("ca.crt", "stranger-ca.crt")), "a broker not known"


async def test_a_password_proves_us_over_tls(
    stores: db.Stores, service: Service, folder: Path
) -> None:
    with secured(folder, "SASL_SSL", WITH_PASSWORD) as port:
        where = f"127.0.0.1:{port}/facts?mechanism=PLAIN&ca={folder}/ca.crt"
        await passes(stores, service, f"kafkas://holdfast:p%2Fw%20of%20alice@{where}")
        assert await is_refused(f"kafkas://holdfast:wrong@{where}")
