"""What goes wrong in the story: kills, pauses, black holes, a Redis that forgets or goes back."""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import redis

from tests import sentinels
from tests.sentinels import SentinelStack
from tests.silence import Silence
from tests.stack import Stack
from tests.waiting import wait_for

# how often each part is the one to be killed, after each of them was once
VICTIMS = {"ingest": 4, "relay": 4, "points": 4, "redis": 4, "web": 2, "core": 1, "postgres": 1}
PAUSED = {"ingest": 4, "points": 4, "relay": 1, "web": 1, "core": 1, "redis": 2, "postgres": 1}
KINDS = {"kill": 12, "pause": 5, "black hole": 6, "forget": 1, "go back": 1}
MOODS = ("late", "fail", "throttle", "gone")  # of Shopify
HOLES = 4  # pairs of process and store with a proxy between them, others for each seed
PAUSE_SECONDS = (2.0, 6.0)
HOLE_SECONDS = (2.0, 9.0)  # longer than a command has, than a session may be silent in its work
AWAY_SECONDS = (0.0, 0.6)  # who was killed
AWAY_SECONDS_WITH_HEIR = (0.0, 6.0)  # it comes back at once, or finds that another has its place
CUT_SECONDS = (0.3, 2.0)  # that a Redis which goes back loses

HARM_SECONDS_MAX = 100.0
NOTED_SECONDS = 4.0

Name = tuple[str, ...]
# Who went on admitting is the witness of what is gone, and Postgres is where that is written down:
# where all of them are lost within the same second, nobody can know.
GO_BACK = ("go back", "redis", "web", "postgres")


@dataclass
class Incidents:
    """Does one of them, or two at once to different parts; `done` says how often which."""

    stack: Stack
    choose: random.Random
    holes: dict[Name, Silence]
    done: Counter[str] = field(default_factory=Counter)
    in_hand: set[str] = field(default_factory=set)  # parts nothing else is done to
    told: list[str] = field(default_factory=list)  # when which began and was over
    victims: dict[str, int] = field(default_factory=VICTIMS.copy)
    paused: dict[str, int] = field(default_factory=PAUSED.copy)

    async def run(self, is_over: Callable[[], bool]) -> None:
        """Go on until then; each part is killed once, each kind of incident happens."""
        first: list[Name] = [("kill", name) for name in self.victims]
        first += [("pause", "ingest"), ("pause", "points"), ("forget", "redis")]
        if isinstance(self.stack, SentinelStack):
            first += [("fail over", "redis")] * 2
        first += [GO_BACK, *(("black hole", *pair) for pair in self.holes)]
        self.choose.shuffle(first)
        async with asyncio.TaskGroup() as hands:
            for _ in range(2):
                hands.create_task(self._hand(first, is_over))
        await asyncio.to_thread(self.stack.control, "POST", "shopify", {"mode": "normal"})

    def is_enough(self) -> bool:
        """Whether each part was killed, and every other kind happened."""
        kinds = {what.split()[0] for what in self.done}
        is_each_killed = all(f"kill {name}" in self.done for name in self.victims)
        return is_each_killed and kinds >= {kind.split()[0] for kind in KINDS}

    async def _hand(self, first: list[Name], is_over: Callable[[], bool]) -> None:
        ends = time.monotonic() + HARM_SECONDS_MAX
        while not is_over() and time.monotonic() < ends:
            await self._change_the_mood()
            await asyncio.sleep(self.choose.uniform(0.3, 2.0))
            what = next((one for one in first if not self.in_hand & set(one[1:])), None)
            if what is not None:
                first.remove(what)
            else:
                what = self._any()
            parts = set(what[1:])
            if parts & self.in_hand:
                continue
            self.in_hand |= parts
            began = time.time()
            try:
                await self._do(what)
            finally:
                self.in_hand -= parts
                self.told.append(f"{began:.2f} to {time.time():.2f}: {' '.join(what)}")
            self.done[" ".join(what)] += 1

    async def _change_the_mood(self) -> None:
        mood: dict[str, object] = {"mode": "normal"}
        if self.choose.random() < 0.25:
            mood = {"mode": self.choose.choice(MOODS), "seconds": 6}
        await asyncio.to_thread(self.stack.control, "POST", "shopify", mood)

    def _any(self) -> Name:
        kind = self._weighted(KINDS)
        if kind == "kill":
            return kind, self._weighted(self.victims)
        if kind == "pause":
            return kind, self._weighted(self.paused)
        if kind == "black hole":
            return kind, *self.choose.choice(list(self.holes))
        return GO_BACK if kind == "go back" else (kind, "redis")

    def _weighted(self, weights: dict[str, int]) -> str:
        return self.choose.choices(list(weights), list(weights.values()))[0]

    async def _do(self, what: Name) -> None:
        for name, process in list(self.stack.running.items()):
            assert name in self.in_hand or process.poll() is None, f"{name} ended by itself"
        kind, *parts = what
        if kind == "kill":
            await self._kill(parts[0])
        elif kind == "pause":
            await self._between(
                lambda: self.stack.pause(parts[0]),
                lambda: self.stack.resume(parts[0]),
                self.choose.uniform(*PAUSE_SECONDS),
            )
        elif kind == "black hole":
            hole = self.holes[tuple(parts)]
            await self._between(
                hole.be_black_hole, hole.pass_on, self.choose.uniform(*HOLE_SECONDS)
            )
        elif kind == "forget":
            await asyncio.to_thread(self._forget)
        elif kind == "fail over":
            assert isinstance(self.stack, SentinelStack)
            await asyncio.to_thread(self.stack.fail_over)
        else:
            await self._go_back(self.choose.uniform(*CUT_SECONDS))

    def _forget(self) -> None:
        with redis.Redis(port=sentinels.redis_port(self.stack)) as client:
            wait_for("Redis has loaded", lambda: has_loaded(client), 20)
            client.flushall()

    async def _kill(self, name: str) -> None:
        await asyncio.to_thread(self.stack.kill, name)
        has_heir = name == "redis" and isinstance(self.stack, SentinelStack)
        away = AWAY_SECONDS_WITH_HEIR if has_heir else AWAY_SECONDS
        await asyncio.sleep(self.choose.uniform(*away))
        await asyncio.to_thread(self.stack.start, name)

    async def _between(
        self, begin: Callable[[], object], end: Callable[[], object], seconds: float
    ) -> None:
        await asyncio.to_thread(begin)
        try:
            await asyncio.sleep(seconds)
        finally:
            await asyncio.to_thread(end)

    async def _go_back(self, seconds: float) -> None:
        """A cut append-only file: Redis starts with what it had `seconds` before it was killed."""
        file = sentinels.append_only_file(self.stack)
        kept_bytes = file.stat().st_size
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self.stack.kill, "redis")
        os.truncate(file, min(kept_bytes, file.stat().st_size))
        await asyncio.to_thread(self.stack.start, "redis")
        await asyncio.sleep(NOTED_SECONDS)


def has_loaded(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def dig_holes(stack: Stack, choose: random.Random, apps: tuple[str, ...]) -> dict[Name, Silence]:
    """Proxies between some processes and a store, before any of them starts."""
    pairs = [(name, store) for name in apps for store in ("postgres", "redis")]
    return {pair: stack.between(*pair) for pair in choose.sample(pairs, HOLES)}
