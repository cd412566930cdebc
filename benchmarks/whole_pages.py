"""Whole admin pages through the web process: each of a shop that has everything, and home with
every service warm and with one of them hanging.
"""

import asyncio
import statistics
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import asyncpg
import httpx
import jwt

from benchmarks import cost, orders
from tests.stack import Stack

TIMES = 12  # of every page: after five uses Postgres may choose another plan for a statement
NOT_COUNTED = 2
OF_CPU = 20  # times: the clock of a process ticks every ten milliseconds
GOAL_MILLISECONDS = 150
HOME_GOAL_MILLISECONDS, HANGING_GOAL_MILLISECONDS = 50, 400
CUSTOMER, BUSY_CUSTOMER = "7000000005", "7000000001"
Taken = list[float]  # milliseconds
Row = tuple[str, list[Taken]]  # what, and by shop how long each time took
# the addresses of pages of something, by what `ids` finds; None: the shop has none
ADDRESSES: dict[str, str] = {
    "/": "/",
    "/, of a year": "/?days=365",
    "/customers, newest": "/customers",
    "/customers, most points": "/customers?sort=points",
    "/customers, by name": "/customers?sort=name",
    "/customers, 'smith'": "/customers?q=smith",
    "/customers, 'a'": "/customers?q=a",
    "/customers/…": f"/customers/{CUSTOMER}",
    "/customers/…, 2,005 rows": f"/customers/{BUSY_CUSTOMER}",
    "/customers/…, with referrals": "/customers/{advocate}",
    "/customers/….csv": f"/customers/{CUSTOMER}/points.csv",
    "/customers/bulk": "/customers/bulk",
    "/program": "/program",
    "/program/example": "/program/example?rate=1&rounding=down",
    "/program/orders": "/program/orders",
    "/program/preview": "/program/preview",
    "/program/preview/me": "/program/preview/me",
    "/rewards": "/rewards",
    "/rewards/new": "/rewards/new",
    "/rewards/sentence": "/rewards/sentence?kind=amount_off&cost=100&amount_off=5",
    "/rewards/…": "/rewards/{reward}",
    "/tiers": "/tiers",
    "/tiers/sentence": "/tiers/sentence?measure=points&period=rolling&days=400",
    "/tiers/what-if": "/tiers/what-if?measure=points&period=rolling&days=400",
    "/ways": "/ways",
    "/corrections": "/corrections",
    "/campaigns/what-if/…": "/campaigns/what-if/{campaign}",
    "/campaigns": "/campaigns",
    "/campaigns, drafts": "/campaigns?state=draft",
    "/campaigns, search": "/campaigns?q=campaign",
    "/campaigns/new": "/campaigns/new",
    "/campaigns/sentence": "/campaigns/sentence?name=A&effect=multiply&value=2",
    "/campaigns/calendar": "/campaigns/calendar",
    "/campaigns/…": "/campaigns/{campaign}",
    "/campaigns/…/edit": "/campaigns/{campaign}/edit",
    "/referrals": "/referrals",
    "/referrals, blocked": "/referrals?stage=blocked",
    "/referrals, taken back": "/referrals?stage=reversed",
    "/referrals, 'smith'": "/referrals?q=smith",
    "/referrals, an address": "/referrals?q=f7000000099%40example.com",
    "/referrals/queue": "/referrals/queue",
    "/referrals/settings": "/referrals/settings",
    "/referrals/settings/sentence": "/referrals/settings/sentence?reward=points&points=100",
    "/referrals/…": "/referrals/{referral}",
    "/appearance": "/appearance",
    "/appearance/tried": "/appearance/tried?language=en",
    "/health": "/health",
    "/health/set-aside/…": "/health/set-aside/{letter}",
}
IDS = {
    "advocate": "SELECT advocate_id FROM referrals WHERE shop = $1 ORDER BY id DESC LIMIT 1",
    "reward": "SELECT max(id)::text FROM rewards WHERE shop = $1",
    "campaign": "SELECT campaign_id FROM campaigns WHERE shop = $1 AND state = 'live' LIMIT 1",
    "referral": "SELECT max(id)::text FROM referrals WHERE shop = $1 AND verdict = 'hold'",
    "letter": "SELECT max(id)::text FROM dead_letters WHERE shop = $1 AND state = 'dead'",
}
# what each service's panels on home read first; nobody gets past a lock on it
HANGING = {
    "campaigns": "campaigns",
    "referrals": "referrals",
    "points' figures": "figures",
    "points": "shop_totals",
}
NOT_LIVE = (
    "cannot be shown just now",
    "cannot be read just now",
    "Figures as of",
    "updates are on their way",
    "temporarily unavailable",
    "Not available just now",
)


class Home(NamedTuple):
    """How long home took: every service warm, and by what hangs."""

    warm: Taken
    hanging: Mapping[str, Taken]


def time_pages(stack: Stack, shops: list[str]) -> list[Row]:
    """Every page of each shop, those of `NOT_COUNTED` first times left out; an infinite time is a
    page that was not shown live.
    """
    found: dict[str, list[Taken]] = {}
    with httpx.Client(base_url=stack.app_url, timeout=30) as client:
        for shop in shops:
            ids = asyncio.run(_ids(stack, shop))
            for name, address in ADDRESSES.items():
                path = address.format(**ids)
                found.setdefault(name, []).append(_times(client, shop, path))
    return list(found.items())


def cpu_of_pages(stack: Stack, shop: str) -> dict[str, tuple[float, float]]:
    """Milliseconds of CPU of the web process and of PostgreSQL a page: what can be compared on a
    machine that does other things besides.
    """
    found = {}
    ids = asyncio.run(_ids(stack, shop))
    with httpx.Client(base_url=stack.app_url, timeout=30) as client:
        for name, address in ADDRESSES.items():
            path = address.format(**ids)
            _times(client, shop, path, 0)
            before = cost.cpu_seconds(stack)
            for _ in range(OF_CPU):
                _once(client, shop, path)
            after = cost.cpu_seconds(stack)
            web, postgres = (
                (after[one] - before[one]) / OF_CPU * 1_000 for one in ("web", "postgres")
            )
            found[name] = (web, postgres)
    return found


def time_home(stack: Stack, shop: str, times: int = 30) -> Home:
    """Home with every service warm, then with each of HANGING in turn, everybody else going on."""
    with httpx.Client(base_url=stack.app_url, timeout=30) as client:
        _times(client, shop, "/")
        warm = _times(client, shop, "/", times)
        hanging = {}
        for name, table in HANGING.items():
            with _locked(stack, table):
                hanging[name] = [_once(client, shop, "/")[0] for _ in range(times)]
            time.sleep(6)  # its circuit tries again
            _times(client, shop, "/")
    return Home(warm, hanging)


def look(stack: Stack, shop: str) -> None:
    """Open home once."""
    with httpx.Client(base_url=stack.app_url, timeout=30) as client:
        _once(client, shop, "/")


async def _ids(stack: Stack, shop: str) -> dict[str, str]:
    connection = await asyncpg.connect(stack.environment["DATABASE_URL"])
    try:
        return {name: await connection.fetchval(query, shop) or "0" for name, query in IDS.items()}
    finally:
        await connection.close()


@contextmanager
def _locked(stack: Stack, table: str) -> Iterator[None]:
    """Nobody reads the table within."""
    with asyncio.Runner() as runner:
        url = stack.environment["DATABASE_URL"]
        connection: Any = runner.run(asyncpg.connect(url))
        try:
            runner.run(connection.execute(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
            yield
        finally:
            runner.run(connection.close())


def _times(client: httpx.Client, shop: str, path: str, times: int = TIMES - NOT_COUNTED) -> Taken:
    taken = []
    for number in range(NOT_COUNTED + times):
        milliseconds, is_live = _once(client, shop, path)
        if number >= NOT_COUNTED:
            taken.append(milliseconds if is_live else float("inf"))
    return taken


def _once(client: httpx.Client, shop: str, path: str) -> tuple[float, bool]:
    """Milliseconds, and whether all on it was read just now."""
    headers = {"Authorization": f"Bearer {_token(shop)}"}
    started = time.perf_counter()
    answer = client.get(path, headers=headers)
    milliseconds = (time.perf_counter() - started) * 1_000
    answer.raise_for_status()
    return milliseconds, not any(words in answer.text for words in NOT_LIVE)


def _token(shop: str) -> str:
    now = int(time.time())
    claims = {
        "iss": f"https://{shop}/admin",
        "dest": f"https://{shop}",
        "aud": "dev-key",
        "sub": "42",
        "exp": now + 60,
        "nbf": now - 1,
        "iat": now,
        "jti": str(uuid.uuid4()),
        "sid": "session",
    }
    return jwt.encode(claims, orders.SECRET, "HS256")


def say_pages(found: list[Row], cpu: Mapping[str, tuple[float, float]]) -> None:
    print("\n| CPU a page of the largest shop (ms) | web | PostgreSQL |\n|---|---|---|")
    for name, (web, postgres) in cpu.items():
        print(f"| {name} | {web:.1f} | {postgres:.1f} |")
    slow = [name for name, taken in found if max(map(statistics.median, taken)) > GOAL_MILLISECONDS]
    print(f"\nOver {GOAL_MILLISECONDS} ms: {', '.join(slow) or 'none'}")


def say_home(found: Home) -> None:
    print(
        f"\n| Home (ms) | median | slowest | goal |\n|---|---|---|---|\n"
        f"| every service warm | {statistics.median(found.warm):.1f} | {max(found.warm):.1f} | "
        f"{HOME_GOAL_MILLISECONDS} |"
    )
    for name, taken in found.hanging.items():
        print(
            f"| {name} hanging | {statistics.median(taken):.1f} | {max(taken):.1f} | "
            f"{HANGING_GOAL_MILLISECONDS} |"
        )
