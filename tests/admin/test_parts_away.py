"""What the merchant sees while a part is away: old but true, said so, and nothing that looks
saved and is not.
"""

import asyncio
import time
from dataclasses import replace

from app import db, rooms
from app.flow.lanes import durability, epoch, lane
from app.resilience import health, reach
from app.web import forms, pages, panels
from local import servers
from tests.admin.staff import Staff, buys, open_circuit, text, value
from tests.points import world
from tests.points.world import ALICE, BOB
from tests.web_app import open_app

# when a part is away


async def test_with_the_database_away_pages_show_the_last_figures_and_say_so(alice) -> None:
    await buys()
    paths = ("/", "/customers", f"/customers/{BOB}", "/program", "/corrections")
    for path in paths:
        await alice.get(path)
    for resource in (pages.PAGES, *panels.RESOURCES.values()):
        open_circuit(resource)
    for path in paths:
        answer = await alice.get(path)
        assert answer.status_code == 200, path
        assert "Figures as of" in text(answer), path
        assert "Nothing is lost" in text(answer), path
    assert "Points outstanding 49" in text(await alice.get("/"))
    assert "Nothing needs you" not in text(await alice.get("/"))


async def test_with_nothing_kept_a_page_still_opens(alice) -> None:
    for resource in (pages.PAGES, *panels.RESOURCES.values()):
        open_circuit(resource)
    paths = ("/", "/customers", "/customers?q=bob", f"/customers/{BOB}", "/program", "/health")
    for path in (*paths, "/corrections"):
        answer = await alice.get(path)
        assert answer.status_code == 200, path
    assert "Some figures cannot be shown just now" in text(await alice.get("/"))


async def test_with_the_database_away_a_change_is_refused_and_what_was_typed_stays(alice) -> None:
    await buys()
    key = value(await alice.get(f"/customers/{BOB}"), "key")
    open_circuit(forms.CHANGES)
    answer = await alice.post(
        f"/customers/{BOB}/adjust", points="50", reason="late parcel", key=key
    )
    assert answer.status_code == 503
    assert "Nothing was changed" in text(answer)
    assert [value(answer, name) for name in ("points", "reason", "key")] == [
        "50",
        "late parcel",
        key,
    ]
    typed = {
        "rate": "3",
        "rounding": "up",
        "pending_days": "",
        "expiry_days": "",
        "clawback": "debt",
    }
    answer = await alice.post("/program/edit", **typed)
    assert (answer.status_code, value(answer, "rate")) == (503, "3")
    assert await world.figures() == {"available": 49}


async def test_without_redis_pages_come_from_the_ledger_and_changes_are_saved(
    http, config, stores
) -> None:
    await buys()
    nobody = db.redis_client(f"redis://127.0.0.1:{servers.free_port()}/0")
    async with open_app(config, replace(stores, queue=nobody, cache=nobody)) as asking:
        alice = Staff(asking, config, ALICE)
        for path in ("/", "/customers", f"/customers/{BOB}", "/program", "/health"):
            answer = await alice.get(path)
            assert answer.status_code == 200, path
            assert "on their way" in text(answer), path
        assert "Points outstanding 49" in text(await alice.get("/"))
        answer = await alice.post(
            f"/customers/{BOB}/adjust", points="5", reason="why not", key="k" * 12
        )
        assert answer.status_code == 200
    assert await world.figures() == {"available": 54}


async def test_with_points_stopped_the_page_says_since_when(alice, stores) -> None:
    await stores.queue.hdel(health.KEY, "points")
    health.forget()
    seen = text(await alice.get("/"))
    assert "Points are catching up" in seen
    assert "on their way" in seen
    assert "The points part is behind" in seen


async def test_a_part_that_does_not_reach_the_database_is_shown_as_such(
    alice, stores, monkeypatch
) -> None:
    monkeypatch.setattr(reach, "is_database_reached", lambda: False)
    await health.beat(stores.queue, "relay", 0.0)
    health.forget()
    assert "Record keeps all that happened in its order Not reaching the database unknown" in text(
        await alice.get("/health")
    )
    assert "The record part is behind" in text(await alice.get("/"))


async def test_pages_and_changes_take_no_connection_of_the_workers(alice, stores) -> None:
    await buys()
    key = value(await alice.get(f"/customers/{BOB}"), "key")
    release = asyncio.Event()

    async def hold() -> None:
        async with db.connection():
            await release.wait()

    held = [asyncio.create_task(hold()) for _ in range(rooms.WORK.connections)]
    await asyncio.sleep(0.2)
    try:
        for path in ("/", "/customers", f"/customers/{BOB}", "/program", "/health"):
            seen = text(await alice.get(path))
            assert "cannot be shown" not in seen, path
            assert "as of" not in seen, path
        answer = await alice.post(f"/customers/{BOB}/adjust", points="5", reason="room", key=key)
        assert answer.status_code == 200
        assert (await alice.post("/health/replay")).status_code == 200
    finally:
        release.set()
        await asyncio.gather(*held)
    assert await world.figures() == {"available": 54}


async def test_what_waits_in_the_shops_own_lane_and_what_redis_lost_is_said(alice, stores) -> None:
    received_ms = int(time.time() * 1000) - 60_000
    waiting = [
        lane.LaneItem(received_ms, ALICE, "orders/paid", f"w{number}", "", "", "", "", b"{}")
        for number in range(3000)
    ]
    await lane.admit(stores.queue, waiting, stores.config)
    page = text(await alice.get("/health"))
    assert "3,000 messages from Shopify are waiting" in page
    assert "figures are as of" in page
    assert "The queue lost" not in page
    await epoch.look(stores)
    await stores.queue.flushall()
    await epoch.look(stores)
    page = text(await alice.get("/health"))
    assert "The queue lost what was waiting in it" in page
    assert "may be missing until it has been compared with Shopify" in page


async def test_a_redis_that_may_lose_webhooks_is_shown(alice, stores) -> None:
    before = (await stores.queue.config_get("appendfsync"))["appendfsync"]
    await stores.queue.config_set("appendfsync", "no")
    try:
        await durability.look(stores.queue, stores.config)
        assert "The queue may lose what it holds" in text(await alice.get("/health"))
    finally:
        await stores.queue.config_set("appendfsync", before)
        durability.forget()
    assert "may lose" not in text(await alice.get("/health"))
