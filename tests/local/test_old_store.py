"""A store that the Redis 6.2 of earlier releases wrote is read by the one of this release."""

import dataclasses
import shutil
from pathlib import Path

from app import config as settings
from app import db
from app.flow.lanes import lane
from tests.faults.redises import OwnRedis
from tests.flow.lanes.numbered import ALICE, BOB

# 30 webhooks of Alice's and 3 of Bob's were admitted, most of them before the file was rewritten,
# and a claim of 5 was acknowledged: 25 and 3 wait, and were seen
WRITTEN_BY_REDIS_6_2 = Path(__file__).parent / "redis-6.2" / "appendonly.aof"


async def test_what_waits_in_the_files_of_redis_6_is_drained(
    tmp_path: Path, config: settings.Config
) -> None:
    (tmp_path / "redis").mkdir()
    shutil.copy(WRITTEN_BY_REDIS_6_2, tmp_path / "redis")
    started = OwnRedis(tmp_path / "redis")
    client = db.redis_client(started.url)
    try:
        unpaced = dataclasses.replace(config, lane_rate_per_second=1e6, lane_burst=1000)
        assert await lane.lengths(client, [ALICE, BOB]) == [25, 3]
        claims = await lane.claim(client, 100, unpaced)
        found = {
            one.shop: [lane.decode_item(raw).webhook_id for raw in one.items] for one in claims
        }
        assert found[ALICE] == [f"w{number}" for number in range(5, 30)]
        assert found[BOB] == ["w0", "w1", "w2"]
        assert await lane.acknowledge(client, claims, unpaced) == 2
        assert await client.hget("lanes:epoch", "era") == b"old"
    finally:
        await client.aclose()
        started.kill()
