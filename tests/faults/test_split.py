"""A network that splits between sentinels: a primary is cut off with a replica, which confirms what
is gone when the network heals, and each acknowledged webhook is there or in a noted window.
"""

import asyncio
import contextlib
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app import db
from app.core.models import Shop
from app.flow.lanes import epoch, lane, spill
from app.flow.lanes.admission import Admission
from app.sentinels import Primary
from tests.faults.lanes import draining, noticed, spilled, traces
from tests.faults.redises import stores_on
from tests.faults.splits import Split
from tests.faults.test_sentinel import is_begun
from tests.flow.helpers import until
from tests.flow.lanes.drains import ALICE
from tests.workers.test_ingest import item

pytestmark = pytest.mark.long

SECONDS = 60.0
PAUSE_SECONDS = 0.02


@pytest.fixture
def split(tmp_path: Path) -> Iterator[Split]:
    asked = shutil.which("iptables") and subprocess.run(["iptables", "-L"], capture_output=True)
    if not asked or asked.returncode:
        pytest.skip("the network cannot be split here: that needs iptables and root")
    made = Split(tmp_path)
    try:
        yield made
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            made.heal()
        made.stop()


@dataclass
class Sender:
    """Sends webhooks one after the other; what was answered, and when."""

    admission: Admission
    name: str
    queued: dict[str, datetime] = field(default_factory=dict)
    spilled: list[str] = field(default_factory=list)

    async def send(self) -> None:
        while True:
            name = f"{self.name}-{len(self.queued) + len(self.spilled):05}"
            received = datetime.now(UTC)
            if await self.admission.admit(item(name)) == "queued":
                self.queued[name] = received
            else:
                self.spilled.append(name)
            await asyncio.sleep(PAUSE_SECONDS)

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.send())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def left(stores: db.Stores, split: Split) -> AsyncIterator[db.Stores]:
    await Shop.create(domain=ALICE)
    async with stores_on(stores, split.url_left) as found:
        assert await until(lambda: is_begun(found), 15.0)
        yield found


async def looking(own: db.Stores) -> None:
    """What every ingest and relay does each second."""
    while True:
        await noticed(own)
        await asyncio.sleep(1.0)


@pytest.mark.parametrize("is_looked_at", [True, False])
async def test_what_is_acknowledged_on_the_side_that_loses_is_in_postgres_or_in_a_noted_window(
    left: db.Stores, split: Split, stores: db.Stores, is_looked_at: bool
) -> None:
    """Nobody drains what the primary that is cut off has, as if ingest were on the other side; with
    or without somebody there who has both stores beat together.
    """
    sender = Sender(Admission(left), "left")
    before = split.primary
    async with stores_on(stores, split.url_right) as right, sender.sending():
        looks = [asyncio.create_task(looking(right))]
        if is_looked_at:
            looks.append(asyncio.create_task(looking(left)))
        await asyncio.sleep(2.0)
        assert await until(_async(lambda: has_just_asked(left)), SECONDS)
        split.cut()
        cut_at = datetime.now(UTC)

        def has_another() -> bool:
            with split.ask(split.ports[-1]) as client:
                _, port = client.sentinel_get_master_addr_by_name("main")
            return int(port) != before.port

        assert await until(lambda: asyncio.to_thread(has_another), SECONDS)
        took_seconds = (datetime.now(UTC) - cut_at).total_seconds()
        await asyncio.sleep(4.0)
        last = max(sender.queued.values())
        on_side = [name for name, at in sender.queued.items() if at > cut_at]
        print(f"\nanother primary after {took_seconds:.1f} s; acknowledged by the one cut off:")
        print(f"{len(on_side)}, the last {(last - cut_at).total_seconds():.2f} s after the cut")
        assert on_side, "somebody must have been told so for this test to mean anything"
        assert sender.spilled
        split.heal()
        healed_at = datetime.now(UTC)
        assert await until(lambda: is_replica(split, before), SECONDS)

        def goes_on() -> bool:
            return max(sender.queued.values()) > healed_at

        assert await until(_async(goes_on), SECONDS)
        print(f"queued again {(max(sender.queued.values()) - healed_at).total_seconds():.1f} s")
        assert await until(_async(lambda: not epoch._telling), SECONDS)
        for one in looks:
            one.cancel()
        await asyncio.gather(*looks, return_exceptions=True)
    async with stores_on(stores, split.url) as whole, draining(whole):

        async def are_drained() -> bool:
            await spill.unspill(whole)
            return await spilled() == 0 and await lane.lane_length(whole.lane, ALICE) == 0

        assert await until(are_drained, SECONDS)
    there = set(await traces())
    assert set(sender.spilled) <= there, "what Postgres kept is there"
    gone = {name: at for name, at in sender.queued.items() if name not in there}
    noted = await epoch.losses()
    print(f"{len(sender.queued)} queued, {len(sender.spilled)} spilled, {len(gone)} gone;")
    print([(one.kind, one.lost_from, one.noticed_at) for one in noted])
    slack = timedelta(milliseconds=50)
    for name, at in gone.items():
        assert any(one.lost_from - slack <= at <= one.noticed_at for one in noted), (name, at)
    assert len(noted) <= 2, "the two sides do not note each other"


def has_just_asked(own: db.Stores) -> bool:
    primary: Primary = own.lane.connection_pool.connection_kwargs["connection_pool"]
    return time.monotonic() - primary.named_at < primary.agreed_seconds / 3


async def is_replica(split: Split, one: object) -> bool:
    return await asyncio.to_thread(split._role, one) == "slave"


def _async(ask):
    async def asked() -> bool:
        return bool(ask())

    return asked


async def test_with_two_replicas_webhooks_are_in_redis_alone_again_soon_after_a_fail_over(
    left: db.Stores, split: Split
) -> None:
    sender = Sender(Admission(left), "w")
    before = split.primary
    async with draining(left), sender.sending():
        await asyncio.sleep(2.0)
        before.kill()
        killed_at = time.monotonic()
        spilled_before = len(sender.spilled)

        def is_spilled() -> bool:
            return len(sender.spilled) > spilled_before

        assert await until(_async(is_spilled), SECONDS)
        count = len(sender.queued)

        def is_back() -> bool:
            return len(sender.queued) > count + 20

        assert await until(_async(is_back), SECONDS)
        seconds = time.monotonic() - killed_at
    print(f"\nqueued again {seconds:.1f} s after the kill, {len(sender.spilled)} spilled")
    async with draining(left):

        async def all_there() -> bool:
            return set(await traces()) == {*sender.queued, *sender.spilled}

        assert await until(all_there, SECONDS)
    assert await epoch.losses() == []
