"""What a process sees on its own machine: when certificates end, how old secrets are, how full the
disk of embedded servers is.
"""

import functools
import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509

from app import secret_files
from app.config import Config
from app.telemetry.metrics import Scraped

# as Postgres, Redis and Kafka spell them in their addresses
AUTHORITIES = ("sslrootcert", "ssl_ca_certs", "ca")
CERTIFICATES = ("sslcert", "ssl_certfile", "certificate")


def figures(config: Config) -> list[Scraped]:
    """All of it; what there is nothing of is absent. Blocks: for a thread."""
    left, ages = dict(certificates(config)), secrets()
    found = []
    if left:
        words = "Until the first certificate that an address names ends; 0 for one nobody can read"
        found.append(Scraped("holdfast_certificate_left_seconds", words, left, "address"))
    if ages:
        words = "Since a secret's file was written"
        found.append(Scraped("holdfast_secret_age_seconds", words, ages, "secret"))
    folder = config.data_folder
    if folder is not None and folder.exists():
        usage = shutil.disk_usage(folder)
        share = {"": usage.free / usage.total}
        found.append(
            Scraped("holdfast_disk_free_share", "Free on the disk of embedded servers", share)
        )
    return found


def certificates(config: Config) -> Iterator[tuple[str, float]]:
    """By the setting of an address, the seconds until the first certificate it names ends."""
    redises = (config.redis_url, *config.lane_redis_urls)
    for setting, urls in (
        ("DATABASE_URL", (config.database_url,)),
        ("DATABASE_READ_URL", (config.database_read_url,)),
        ("REDIS_URL", redises),
        ("CACHE_REDIS_URL", (config.cache_redis_url,)),
        ("BUS_URL", (config.bus_url,)),
    ):
        left = [seconds for url in urls for seconds in _left(url)]
        if left:
            yield setting, min(left)


def secrets() -> dict[str, float]:
    """The age of each secret that stands in a file, in seconds; infinite where there is no file."""
    found = {}
    for name in secret_files.ROTATED:
        path = os.environ.get(f"{name}_FILE")
        if path:
            found[name] = _age_seconds(Path(path))
    return found


def _age_seconds(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


def _left(url: str) -> Iterator[float]:
    query = parse_qs(urlsplit(url).query)
    for name in (*AUTHORITIES, *CERTIFICATES):
        for path in query.get(name, ()):
            try:
                ends = _ends(Path(path), Path(path).stat().st_mtime_ns, name in AUTHORITIES)
            except (OSError, ValueError):
                yield 0.0
                continue
            yield max(0.0, (ends - datetime.now(UTC)).total_seconds())


@functools.lru_cache(maxsize=32)
def _ends(path: Path, _changed: int, is_bundle: bool) -> datetime:
    """When it ends: of a bundle of authorities the last, for one that ended does no harm there."""
    found = x509.load_pem_x509_certificates(path.read_bytes())
    ends = [one.not_valid_after_utc for one in found]
    return max(ends) if is_bundle else ends[0]
