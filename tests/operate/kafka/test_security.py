"""Kafka over TLS: with certificates on both sides, or a password; who has neither is refused."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app import db
from app.flow.bus import log as fact_log
from app.flow.bus.kafka import address
from local import servers
from ops.kafka import broker
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
ssl.truststore.location={folder}/ca.pem
"""
MUTUAL = "ssl.client.auth=required"
WITH_PASSWORD = f"""
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required \
username="holdfast" password="{PASSWORD}" user_holdfast="{PASSWORD}";
"""


class Authority:
    """Makes certificates in a folder, and signs them."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.name, self.key.public_key(), is_authority=True)
        (folder / f"{name}.pem").write_bytes(_pem(self.certificate))

    def issue(self, name: str) -> None:
        """`name.pem` with key and certificate, `name.crt`, `name.key`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = _pem(self._sign(subject, key.public_key()))
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (self.folder / f"{name}.pem").write_bytes(private + certificate)
        (self.folder / f"{name}.crt").write_bytes(certificate)
        (self.folder / f"{name}.key").write_bytes(private)

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, is_authority: bool = False
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def bus() -> Any:
    """No broker but those of these tests."""
    return fact_log


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    needed("java", "mvn")
    ours, theirs = Authority(tmp_path, "ca"), Authority(tmp_path, "stranger-ca")
    ours.issue("server")
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
        url = f"kafkas://127.0.0.1:{port}/facts?ca={folder}/ca.pem"
        mine = f"{url}&certificate={folder}/client.crt&key={folder}/client.key"
        await passes(stores, service, mine)
        assert await is_refused(url), "without a certificate"
        theirs = f"&certificate={folder}/stranger.crt&key={folder}/stranger.key"
        assert await is_refused(url + theirs), "with one that somebody else signed"
        assert await is_refused(mine.replace("ca.pem", "stranger-ca.pem")), "a broker not known"


async def test_a_password_proves_us_over_tls(
    stores: db.Stores, service: Service, folder: Path
) -> None:
    with secured(folder, "SASL_SSL", WITH_PASSWORD) as port:
        where = f"127.0.0.1:{port}/facts?mechanism=PLAIN&ca={folder}/ca.pem"
        await passes(stores, service, f"kafkas://holdfast:p%2Fw%20of%20alice@{where}")
        assert await is_refused(f"kafkas://holdfast:wrong@{where}")
