"""One living stack for the faults that allow it; it is well again before each of them."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from ops.backup import rehearsal, sealing
from ops.backup.store import Store
from tests import template
from tests.faults.redises import OwnRedis
from tests.operate.runbook.following import House, Stranger, seen
from tests.stack import SHOP, Stack
from tests.waiting import wait_for

CACHE_BYTES = 128 * 1024 * 1024
WELL_SECONDS = 120


@pytest.fixture(scope="session")
def whole_house() -> Iterator[House]:
    with (
        template.folder(),
        tempfile.TemporaryDirectory(prefix="holdfast-stack-", ignore_cleanup_errors=True) as name,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        for one in ("metrics", "cache"):
            (folder / one).mkdir()
        kept = Store(folder / "backups", (os.urandom(sealing.KEY_BYTES),))
        cache = OwnRedis(folder / "cache", "--maxmemory", str(CACHE_BYTES))
        stack = Stack(
            folder,
            BACKUP_FOLDER=str(kept.folder),
            BACKUP_KEYS=sealing.written(kept.keys[0]),
            CACHE_REDIS_URL=cache.url,
            PROMETHEUS_MULTIPROC_DIR=str(folder / "metrics"),
        )
        template.copy_postgres(folder / "postgres")
        (folder / "released").touch()
        rehearsal.prepare(kept, folder / "postgres")
        made = House(stack, cache)
        try:
            stack.start_everything()
            stack.install(SHOP)
            yield made
        finally:
            stack.stop_everything()
            cache.resume()
            cache.kill()
    for page, section, seconds in seen:
        print(f"\n{page}: {section} {seconds:.1f} s", end="")


@pytest.fixture
def house(whole_house: House) -> Iterator[House]:
    wait_for(
        "all is well", whole_house.is_well, WELL_SECONDS, lambda: str(whole_house.stack.health())
    )
    yield whole_house
    whole_house.stack.end_silences()


@pytest.fixture
def stranger(house: House) -> Iterator[Stranger]:
    found = Stranger(house.stack)
    yield found
    found.close()


@pytest.fixture
def queue(house: House) -> Iterator["redis.Redis"]:
    with redis.Redis(port=house.stack.ports["redis"], decode_responses=True) as client:
        yield client
