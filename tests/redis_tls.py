"""Certificates of an authority of a test's own, and a door before a Redis that lets in only who
shows one.
"""

import asyncio
import contextlib
import ssl
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CHUNK_BYTES = 65_536
CALL_SECONDS = 5.0


class Authority:
    """Issues certificates into `folder`, its own as `NAME-ca.pem`."""

    def __init__(
        self, folder: Path, name: str, *, valid_for: timedelta = timedelta(days=1)
    ) -> None:
        self.folder, self.name = folder, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        made = self._unsigned(name, valid_for, self.key.public_key())
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.file = folder / f"{name}-ca.pem"
        self.file.write_bytes(_pem(made.sign(self.key, hashes.SHA256())))

    def issue(self, name: str, *, valid_for: timedelta = timedelta(days=1)) -> tuple[Path, Path]:
        """The files of a certificate for 127.0.0.1 and of its key; one with a negative time is over
        already.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        made = self._unsigned(name, valid_for, key.public_key()).add_extension(
            names, critical=False
        )
        certificate, private = self.folder / f"{name}.pem", self.folder / f"{name}-key.pem"
        certificate.write_bytes(_pem(made.sign(self.key, hashes.SHA256())))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, private

    def _unsigned(
        self, name: str, valid_for: timedelta, key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)]))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + valid_for)
        )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


class Door:
    """TLS on `port` before a server on the loopback interface, for clients with a certificate of
    that authority; started and ended by `with`.
    """

    def __init__(self, server_port: int, authority: Authority) -> None:
        self.server_port = server_port
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(authority.file)
        self.context.load_cert_chain(*authority.issue("server"))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        started = asyncio.start_server(self._carry, "127.0.0.1", 0, ssl=self.context)
        self._server = asyncio.run_coroutine_threadsafe(started, self._loop).result(CALL_SECONDS)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(CALL_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_SECONDS)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        ours = asyncio.current_task()
        open_ones = [task for task in asyncio.all_tasks() if task is not ours]
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        try:
            await asyncio.gather(_copy(reader, up_writer), _copy(up_reader, writer))
        except OSError:
            pass  # hung up
        finally:
            for one in (writer, up_writer):
                one.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()
