"""Where a Postgres is and how it is proven to be the right one: DATABASE_URL, taken apart."""

import functools
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

PORT = 5432
MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
FILES = ("sslrootcert", "sslcert", "sslkey")


@dataclass(frozen=True, slots=True)
class Address:
    """Hosts are `(host or socket folder, port)`, tried until one serves; `session_attrs` says which
    does (`read-write`: the primary, whichever that is now).
    """

    hosts: tuple[tuple[str, int], ...]
    user: str
    database: str
    session_attrs: str
    password: str = field(repr=False)
    ssl_mode: str = ""
    ssl_files: tuple[str, ...] = ("", "", "")  # authorities, our certificate, its key

    def ssl(self) -> ssl.SSLContext | bool | str | None:
        """What asyncpg takes as `ssl`. Files are read again once they have changed, so that
        certificates are renewed without a restart. Raises OSError where one cannot be used.
        """
        if self.ssl_mode in {"", "prefer"}:
            return self.ssl_mode or None
        if self.ssl_mode == "disable":
            return False
        known = tuple(Path(name).stat().st_mtime_ns if name else 0 for name in self.ssl_files)
        return _context(self.ssl_mode, self.ssl_files, known)


def parse(url: str) -> Address:
    """The address that `url` says, the way libpq writes it:
    `postgres://user:password@host:port,host:port/name?sslmode=verify-full&sslrootcert=FILE`, or
    `postgres://user@/name?host=FOLDER&port=PORT` for a socket in FOLDER.

    Of several hosts the one that can be written to is meant, unless `target_session_attrs` says
    otherwise. Raises ValueError for an `sslmode` or port that means nothing.
    """
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    credentials, _, places = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    names = places.split(",") if places else query.get("host", "127.0.0.1").split(",")
    ports = query.get("port", str(PORT)).split(",")
    if len(ports) == 1:
        ports *= len(names)
    hosts = tuple(_host(name, int(port)) for name, port in zip(names, ports, strict=True))
    mode = query.get("sslmode", "")
    if mode and mode not in MODES:
        raise ValueError(f"sslmode must be one of {', '.join(MODES)}")
    return Address(
        hosts,
        unquote(user) or "postgres",
        parts.path.lstrip("/") or "postgres",
        query.get("target_session_attrs", "read-write" if len(hosts) > 1 else "any"),
        unquote(password),
        mode,
        tuple(query.get(name, "") for name in FILES),
    )


def _host(name: str, port: int) -> tuple[str, int]:
    if name.startswith("/"):  # a folder
        return name, port
    host, is_there, written = name.rpartition(":")
    if name.startswith("["):  # IPv6
        host, _, rest = name[1:].partition("]")
        return host, int(rest.removeprefix(":") or port)
    return (host, int(written)) if is_there else (name, port)


@functools.lru_cache(maxsize=8)
def _context(mode: str, files: tuple[str, ...], _changed: tuple[int, ...]) -> ssl.SSLContext:
    authorities, certificate, key = files
    context = ssl.create_default_context(cafile=authorities or None)
    context.check_hostname = mode == "verify-full"
    if mode == "require" and not authorities:
        context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate, key or None)
    return context
