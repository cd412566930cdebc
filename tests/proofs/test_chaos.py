"""The long proof: kills, pauses, black holes and a Redis that forgets during thousands of
webhooks, and every acknowledged one counts once.
"""

import asyncio
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import config as settings
from app import db
from app.points.earning import actions as earning
from app.shopify.client import Client
from devstore import signing
from devstore.settings import load as devstore_settings
from local import processes
from tests.operate.kafka.stack import KafkaStack
from tests.proofs import judging
from tests.proofs.incidents import Incidents, dig_holes
from tests.proofs.judging import Answers, fetch
from tests.proofs.story import Story, Webhook, Wish, tell
from tests.sentinels import SentinelStack
from tests.stack import SECRET, Stack
from tests.waiting import wait_for
from tests.webhook import signed_headers

WEBHOOKS = int(os.environ.get("CHAOS_WEBHOOKS", "5000"))
# several as `SEEDS="1 2 3" make chaos`; the logs of what went wrong are kept in CHAOS_LOGS
SEEDS = [int(seed) for seed in os.environ.get("SEEDS", str(int(time.time()))).split()]
LOGS = os.environ.get("CHAOS_LOGS", "")
REDIS = os.environ.get("REDIS", "")  # `sentinel`: a primary and a replica, and who watches them
BUS = os.environ.get("BUS", "")  # `BUS=kafka make chaos`: a broker is one of the parts
SHOPS = [f"chaos-{number}.myshopify.com" for number in range(20)]
MEMBERS_EACH = 5
GHOST = "77"  # a customer Shopify does not know: it refuses the code, and the points go back
SENDERS, SHOPPERS = 16, 6
SEND_PAUSE_SECONDS = 0.1  # some 100/s, so that the incidents fall into the middle of the work
SETTLED_SECONDS = 120


@contextmanager
def chaotic_stack(seed: int, choose: random.Random) -> Iterator[tuple[Stack, Incidents]]:
    with tempfile.TemporaryDirectory(prefix="holdfast-chaos-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        kind = SentinelStack if REDIS == "sentinel" else KafkaStack if BUS == "kafka" else Stack
        stack = kind(Path(name), LANE_RATE_PER_SECOND="10000", LANE_BURST="10000")
        try:
            apps = [name for name in processes.app_commands() if name != "release"]
            incidents = Incidents(stack, choose, dig_holes(stack, choose, apps))
            for harm in (incidents.victims, incidents.paused) if BUS == "kafka" else ():
                harm["kafka"] = 4
            stack.start_everything()
            for shop in SHOPS:
                stack.install(shop)
            yield stack, incidents
        except BaseException:
            keep_logs(stack, seed, incidents)
            raise
        finally:
            stack.stop_everything()


def keep_logs(stack: Stack, seed: int, incidents: Incidents) -> None:
    if LOGS:
        kept = Path(LOGS) / f"seed-{seed}"
        kept.mkdir(parents=True, exist_ok=True)
        for log in stack.directory.glob("*.log"):
            shutil.copy(log, kept)
        (kept / "incidents.txt").write_text("\n".join(incidents.told))


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_at_random_moments_nothing_is_lost_and_nothing_doubled(
    seed: int,
) -> None:
    choose = random.Random(seed)
    with chaotic_stack(seed, choose) as (stack, incidents):
        members = [
            (shop, stack.customer("Bob", shop)) for shop in SHOPS for _ in range(MEMBERS_EACH)
        ]
        members += [(shop, GHOST) for shop in SHOPS]
        await owe_what_cannot_be_taken_back(stack)
        await judging.rewards_are_there(stack, SHOPS)
        story, answers = tell(choose, members, WEBHOOKS), Answers()
        await live_through(stack, story, answers, incidents)
        print(
            f"\nseed {seed}: {len(story.deliveries)} deliveries, {len(story.wishes)} wishes; "
            f"{sum(incidents.done.values())} incidents {dict(sorted(incidents.done.items()))}; "
            f"answers {dict(sorted(answers.statuses.items()))}"
        )
        assert answers.acknowledged.keys() == story.unique_ids
        assert incidents.is_enough(), "too little happened for this proof to mean anything"
        await judge(stack, story, answers)


async def live_through(stack: Stack, story: Story, answers: Answers, incidents: Incidents) -> None:
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        people = [
            group.create_task(deliver(stack, story, answers)),
            group.create_task(redeem(stack, story, answers)),
        ]
        await incidents.run(lambda: all(one.done() for one in people))
        stack.end_silences()
    print(f"\n{time.monotonic() - began:.0f} s of incidents")


async def judge(stack: Stack, story: Story, answers: Answers) -> None:
    """What Redis took with it is known, and sent again here: these orders stand at no Shopify that
    could be asked. Then the end is exact.
    """
    began = time.monotonic()
    await judging.nothing_waits(stack, SETTLED_SECONDS)
    await judging.losses_are_noticed(stack, SETTLED_SECONDS)
    await judging.nothing_waits(stack, SETTLED_SECONDS)  # what a loss brought up again
    lost, windows = await judging.lost_with_redis(stack, story, answers)
    print(
        f"lanes empty {time.monotonic() - began:.1f} s after the last delivery;"
        f" {len(lost)} webhooks lost with Redis, all within the noted windows of {windows} s"
    )
    again = Story([one for one in story.deliveries if one.webhook_id in lost])
    await deliver(stack, again, answers)
    await judging.settled(stack, story, SETTLED_SECONDS)
    print(f"all effects there {time.monotonic() - began:.1f} s after the last delivery")
    await judging.check_effects(stack, story, SHOPS)
    await judging.check_codes(stack, story, answers, SHOPS, GHOST)
    print(stack.verify())
    wait_for("the app is healthy again", lambda: stack.health().get("status") == "ok", 30)


async def owe_what_cannot_be_taken_back(stack: Stack) -> None:
    """With this policy the end does not depend on what came first, the refund or the redemption."""
    async with db.open_stores(settings.load(stack.environment)):
        for shop in SHOPS:
            await earning.edit_program(shop, {"clawback": "debt"}, "Alice")


async def deliver(stack: Stack, story: Story, answers: Answers) -> None:
    """Send all, as Shopify does: again until it is acknowledged, always with the same id."""
    waiting = list(reversed(story.deliveries))
    async with Client(timeout=6) as client:

        async def sender() -> None:
            while waiting:
                await _deliver(client, stack, waiting.pop(), answers)
                await asyncio.sleep(SEND_PAUSE_SECONDS)

        async with asyncio.TaskGroup() as senders:
            for _ in range(SENDERS):
                senders.create_task(sender())


async def _deliver(
    client: httpx.AsyncClient, stack: Stack, webhook: Webhook, answers: Answers
) -> None:
    headers = signed_headers(webhook.body, webhook.topic, webhook.shop, SECRET, webhook.webhook_id)
    answers.first_sent.setdefault(webhook.webhook_id, time.time())
    for _ in range(150):
        try:
            answer = await client.post(
                f"{stack.app_url}/webhooks", content=webhook.body, headers=headers
            )
        except httpx.HTTPError as error:
            answers.statuses[f"webhook {type(error).__name__}"] += 1
        else:
            answers.statuses[f"webhook {answer.status_code}"] += 1
            # 408: a pause of web came in the middle of the body
            assert answer.status_code in {200, 408, 503}, answer.text
            if answer.status_code == 200:
                answers.acknowledged[webhook.webhook_id] = time.time()
                return
        await asyncio.sleep(0.2)
    raise AssertionError(f"{webhook.webhook_id} was never acknowledged")


async def redeem(stack: Stack, story: Story, answers: Answers) -> None:
    """Shoppers ask while webhooks come in, each under one key until he has an answer."""
    waiting = list(story.wishes)
    rewards = {
        (row["shop"], row["cost"]): str(row["id"])
        for row in await fetch(stack, "SELECT shop, cost, id FROM rewards")
    }
    pause_seconds = len(story.deliveries) / SENDERS * SEND_PAUSE_SECONDS / (len(waiting) / SHOPPERS)
    async with Client(timeout=12) as client:

        async def shopper() -> None:
            while waiting:
                wish = waiting.pop()
                reward_id = rewards[wish.member[0], wish.cost]
                await asyncio.gather(
                    *[_redeem(client, stack, wish, reward_id, answers) for _ in range(wish.times)]
                )
                await asyncio.sleep(pause_seconds)

        async with asyncio.TaskGroup() as shoppers:
            for _ in range(SHOPPERS):
                shoppers.create_task(shopper())


async def _redeem(
    client: httpx.AsyncClient, stack: Stack, wish: Wish, reward_id: str, answers: Answers
) -> None:
    signed_by = replace(devstore_settings(stack.environment), api_secret=SECRET)
    for _ in range(150):
        url = (
            f"{stack.app_url}/storefront/redemptions?{signing.proxy_query(signed_by, *wish.member)}"
        )
        try:
            answer = await client.post(
                url, json={"reward_id": reward_id, "idempotency_key": wish.key}
            )
        except httpx.HTTPError as error:
            answers.statuses[f"redemption {type(error).__name__}"] += 1
        else:
            answers.statuses[f"redemption {answer.status_code}"] += 1
            assert answer.status_code in {200, 202, 422, 429, 503}, (
                f"{answer.status_code} {answer.text}"
            )
            if answer.status_code < 429:
                note(wish, answer.status_code, answer.json(), answers)
                return
        await asyncio.sleep(0.3)
    raise AssertionError(f"{wish.key} was never answered")


def note(wish: Wish, status: int, body: dict[str, Any], answers: Answers) -> None:
    if status == 200:
        code = body["redemption"]["code"]
        assert answers.codes.setdefault(wish.key, code) == code, "one wish, two codes"
    elif status == 202:
        answers.promised.add(wish.key)
    else:
        answers.refused[wish.key] = body["error"]["code"]
