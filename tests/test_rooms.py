"""The table of rooms, and that nothing in the program holds more than its room has."""

import asyncio
import importlib
import pkgutil
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

import app
from app import db, postgres, redises, rooms
from app.flow import dead_letters
from app.flow.models import DeadLetter
from app.resilience import guard
from app.resilience.guard import Resource
from app.services import PROCESSES
from local.servers import POSTGRES_SETTINGS
from tests.admin.staff import set_aside
from workers import service

POSTGRES_KEEPS_FOR_SUPERUSERS = 3
WEBS, WORKERS = 2, 9  # services of the finished house, two webs
ON_QUEUE = {"health board", "lanes", "health of redis", "scrape of redis", "scrape of nodes"}
ON_CACHE = {
    "cache",
    "cache batches",
    "limits",
    "marks of changes",
    "health of cache",
    "scrape of cache",
}
ELSEWHERE = {
    "shopify",
    "catalog",  # of Shopify, too
    "staff names",
    "health of disk",
    "health of bus",
    "scrape of the host",
    "replica",  # within a room of the primary's
}


def resources() -> list[Resource]:
    """Every resource a module of the program makes."""
    found = {}
    for module in pkgutil.walk_packages(app.__path__, "app."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Resource):
                found[id(value)] = (name, value)
    assert len(found) > 10, "it must have found them for this test to mean anything"
    return [value for _, value in found.values()]


def test_every_resource_is_in_a_room_or_asks_another_store() -> None:
    for resource in resources():
        named = resource.name in ON_QUEUE | ON_CACHE | ELSEWHERE
        assert named is (resource.room is None), resource.name


def test_tickets_over_a_room_never_exceed_its_connections() -> None:
    bulkheads = {}
    for resource in resources():
        if resource.room:
            bulkheads.setdefault(resource.room.name, set()).add(resource.bulkhead)
    for name, found in bulkheads.items():
        assert len(found) == 1, f"{name}: all its resources share their tickets"
        assert next(iter(found)).tickets_max == rooms.ROOMS[name].connections


def test_tickets_over_redis_never_exceed_its_connections() -> None:
    tickets = Counter()
    for resource in resources():
        store = "queue" if resource.name in ON_QUEUE else "cache"
        if resource.name in ON_QUEUE | ON_CACHE:
            tickets[store] += resource.bulkhead.tickets_max
    # beside the guarded ones: a commit of webhooks, and a drain being woken
    assert tickets["queue"] + 2 <= redises.CONNECTIONS_MAX
    assert tickets["cache"] <= db.CACHE_CONNECTIONS


def test_what_must_not_starve_each_other_has_rooms_of_its_own() -> None:
    apart = (rooms.STOREFRONT, rooms.HOLDS, rooms.COMPLETIONS, rooms.ADMIN, rooms.SPILL)
    assert len({room.name for room in (*apart, rooms.HEALTH, rooms.CHANGES, rooms.WORK)}) == 8
    by_name = {resource.name: resource.room for resource in resources() if resource.room}
    assert by_name["storefront reads"] is rooms.STOREFRONT
    assert by_name["redemption hold"] is rooms.HOLDS
    assert by_name["redemption complete"] is rooms.COMPLETIONS
    assert by_name["page reads"] is rooms.ADMIN
    assert by_name["changes"] is rooms.CHANGES
    assert by_name["health of postgres"] is rooms.HEALTH


def test_all_processes_together_stay_below_what_postgres_allows() -> None:
    assert len(PROCESSES) - 1 <= WORKERS, "more workers than were counted on"
    most = rooms.connections_max(WEBS, WORKERS) + POSTGRES_KEEPS_FOR_SUPERUSERS
    assert most <= 0.9 * int(POSTGRES_SETTINGS["max_connections"])


@pytest.mark.parametrize("room", rooms.ROOMS.values(), ids=lambda room: room.name)
def test_a_command_is_given_up_after_postgres_would_have_ended_it(room: rooms.Room) -> None:
    if room.statement_seconds is None:
        assert room in rooms.COMMANDS
        assert postgres.session_settings(room)["statement_timeout"] == "0"
    else:
        assert postgres.command_seconds(room) > room.statement_seconds
        assert room.statement_seconds > postgres.LOCK_SECONDS


async def test_a_session_is_kept_to_its_limits_by_postgres_itself(stores) -> None:
    for room, plans in ((rooms.ADMIN, "force_custom_plan"), (rooms.WORK, "auto")):
        with rooms.inside(room):
            async with db.connection() as connection:
                said = {
                    name: await connection.fetchval(f"SHOW {name}")
                    for name in (
                        "statement_timeout",
                        "lock_timeout",
                        "idle_in_transaction_session_timeout",
                        "client_connection_check_interval",
                        "plan_cache_mode",
                        "application_name",
                    )
                }
        assert said == {
            "statement_timeout": "5s",
            "lock_timeout": "2s",
            "idle_in_transaction_session_timeout": "8s",
            "client_connection_check_interval": "1s",
            "plan_cache_mode": plans,
            "application_name": f"holdfast {room.name}",
        }


async def test_a_room_that_is_full_leaves_the_others_their_connections(stores) -> None:
    async def hold(room: rooms.Room, until: asyncio.Event) -> None:
        with rooms.inside(room):
            async with db.connection():
                await until.wait()

    release = asyncio.Event()
    held = [
        asyncio.create_task(hold(rooms.CHANGES, release)) for _ in range(rooms.CHANGES.connections)
    ]
    await asyncio.sleep(0.1)
    try:
        with rooms.inside(rooms.SPILL):
            async with asyncio.timeout(30), db.connection() as connection:
                assert await connection.fetchval("SELECT 1") == 1
        with rooms.inside(rooms.CHANGES), pytest.raises(TimeoutError):
            async with db.connection():
                pass
    finally:
        release.set()
        await asyncio.gather(*held)


async def test_the_orm_and_transactions_stay_in_the_room_they_are_in(stores) -> None:
    from app.core.models import Shop

    named = "SELECT current_setting('application_name')"
    with rooms.inside(rooms.HOLDS):
        async with db.transaction() as connection:
            assert await connection.fetchval(named) == "holdfast holds"
            await Shop.create(domain="alice.myshopify.com")
            assert await connection.fetchval("SELECT count(*) FROM shops") == 1
        assert await Shop.all().count() == 1


async def test_a_guarded_call_is_in_its_resources_room_and_its_caller_is_not(stores) -> None:
    resource = Resource("a test", room=rooms.TIMED)

    async def where() -> str:
        return rooms.current.get().name

    assert await guard.guard(resource, where) == "timed"
    assert await where() == "work"


async def test_timed_work_letters_and_heartbeats_of_a_worker_have_rooms_of_their_own(
    stores, config
) -> None:
    stop = asyncio.Event()
    found = {}

    async def timed() -> None:
        found["timed"] = rooms.current.get().name

    async def lag_seconds() -> float:
        found["beat"] = rooms.current.get().name
        return 0.0

    async def attempt(connection, letter) -> None:
        found["letter"] = await connection.fetchval("SELECT current_setting('application_name')")

    async def letters() -> None:
        await dead_letters.retry_due("points", attempt, now=datetime.now(UTC) + timedelta(hours=1))
        stop.set()

    await set_aside("alice.myshopify.com", "no")
    await DeadLetter.all().update(state="waiting", next_attempt_at=datetime.now(UTC))
    await service.together(
        service.every(60, timed, stop),
        service.every(60, letters, stop),
        service.beat(stores, "points", lag_seconds, stop),
    )
    assert found == {"timed": "timed", "beat": "health", "letter": "holdfast letters"}
    assert rooms.current.get() is rooms.WORK
