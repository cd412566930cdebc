"""What the status page and the metrics tell of the daily verification."""

from dataclasses import replace

from app import db
from app.flow import verified
from app.flow.verified import Verified
from local import servers
from tests.admin.staff import Staff, text
from tests.points.world import ALICE
from tests.web_app import open_app

SOUND = Verified(
    members=1_200,
    rows=9_000,
    drift=0,
    broken_chains=0,
    orders=340,
    incomplete=0,
    problems=0,
)


async def is_found(stores: db.Stores, found: Verified) -> None:
    turn = verified.Turn(stores.queue)
    assert await turn.take() is not None
    await turn.end(found)


async def test_before_the_first_run_it_says_not_yet(alice, stores) -> None:
    assert "Last verified not yet once a day" in text(await alice.get("/health"))


async def test_when_all_adds_up_it_says_when_and_of_how_many(alice, stores) -> None:
    await is_found(stores, SOUND)
    seen = text(await alice.get("/health"))
    assert "1,200 members and 340 paid orders of all stores: everything adds up" in seen
    assert "Verification:" not in seen


async def test_what_does_not_add_up_is_said_in_numbers_and_names_nobody(alice, stores) -> None:
    await is_found(
        stores,
        Verified(1_200, 9_000, drift=2, broken_chains=0, orders=340, incomplete=1, problems=3),
    )
    seen = text(await alice.get("/health"))
    assert "Verification: 3 things do not add up" in seen
    assert "of all stores: wrong balances 2, incomplete orders 1" in seen


async def test_without_redis_it_is_unknown(http, config, stores) -> None:
    await is_found(stores, SOUND)
    nobody = db.redis_client(f"redis://127.0.0.1:{servers.free_port()}/0")
    async with open_app(config, replace(stores, queue=nobody, cache=nobody)) as asking:
        seen = text(await Staff(asking, config, ALICE).get("/health"))
    assert "Last verified unknown" in seen


async def test_the_metrics_tell_what_was_found_and_how_long_ago(alice, http, stores) -> None:
    lines = (await http.get("/metrics")).text
    assert "holdfast_verified" not in lines, "what is not known is absent"
    await is_found(stores, SOUND)
    lines = (await http.get("/metrics")).text.splitlines()
    assert 'holdfast_verified{found="drift"} 0.0' in lines
    assert 'holdfast_verified{found="members"} 1200.0' in lines
    age = next(line for line in lines if line.startswith("holdfast_verified_age_seconds "))
    assert 0 <= float(age.split()[1]) < 60
