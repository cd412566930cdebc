"""What an installation may lack, how it is planted and mended, for `make ready` to find."""

import os
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from app.flow.verified import Verified
from tests.operate.kept import Kept

OLD_DAYS = 200
LETTER = """
INSERT INTO dead_letters (service, shop, topic, reference, payload, state, reason, attempts, proof,
                          history, created_at, updated_at)
VALUES ('points', 'alice.myshopify.com', 'order.paid', 'planted', '', 'dead', 'x', 1, '', '[]',
        now(), now() - interval '2 days')
"""
AGED = "UPDATE backup_marks SET at = at + $2::float8 * interval '1 hour' WHERE name = $1"
LOSS = """
INSERT INTO redis_losses (kind, lost_from, noticed_at)
VALUES ('lost', now() - interval '9 s', now())
"""
OLDER = "UPDATE tortoise_migrations SET name = name || 'x' WHERE name LIKE '0013%'"
OLDER_NO_MORE = "UPDATE tortoise_migrations SET name = rtrim(name, 'x') WHERE name LIKE '0013%'"
FOUND = Verified(1, 1, 0, 0, 0, 0, problems=2)
Act = Callable[[Kept], object]


class Omission(NamedTuple):
    """What is planted, the check that names it and the words it has, and how it is mended."""

    check: str
    said: str
    plant: Act
    mend: Act


def redis_setting(name: str, bad: str, good: str) -> tuple[Act, Act]:
    return (
        lambda kept: kept.redis.config_set(name, bad),
        lambda kept: kept.redis.config_set(name, good),
    )


def statements(bad: str, good: str) -> tuple[Act, Act]:
    def run(kept: Kept, text: str) -> None:
        for one in text.split("; "):
            kept.beside.execute(one)

    return (lambda kept: run(kept, bad), lambda kept: run(kept, good))


def system(setting: str, bad: str, besides: str = "") -> tuple[Act, Act]:
    reload = "SELECT pg_reload_conf()"
    return statements(
        f"ALTER SYSTEM SET {setting} = '{bad}'; {reload}{besides}",
        f"ALTER SYSTEM RESET {setting}; {reload}",
    )


def aged(name: str, hours: float) -> tuple[Act, Act]:
    return (
        lambda kept: kept.beside.execute(AGED, name, -hours),
        lambda kept: kept.beside.execute(AGED, name, hours),
    )


def secret_age(name: str, days: float) -> Act:
    def act(kept: Kept) -> None:
        moment = time.time() - days * 86_400
        os.utime(kept.secrets / name, (moment, moment))

    return act


def restarted(name: str, **settings: Callable[[Kept], str]) -> tuple[Act, Act]:
    def start(kept: Kept, changed: dict[str, str]) -> None:
        before = dict(kept.stack.environment)
        kept.stack.environment.update(changed)
        kept.stack.stop(name)
        kept.stack.start(name)
        kept.stack.environment.update(before)

    return (
        lambda kept: start(kept, {one: made(kept) for one, made in settings.items()}),
        lambda kept: start(kept, {}),
    )


OMISSIONS = [
    Omission("redis", "set appendfsync to", *redis_setting("appendfsync", "no", "always")),
    Omission(
        "redis",
        "drops keys when it is full",
        *redis_setting("maxmemory-policy", "allkeys-lru", "noeviction"),
    ),
    Omission("redis", "Redis has no maxmemory", *redis_setting("maxmemory", "0", "256mb")),
    Omission(
        "redis",
        "Redis has no replica",
        lambda kept: kept.redis_replica.kill(),
        lambda kept: kept.redis_replica.start(),
    ),
    Omission(
        "cache",
        "does not answer",
        lambda kept: kept.cache.kill(),
        lambda kept: kept.cache.start(),
    ),
    Omission(
        "postgres",
        "before a commit is on disk",
        *statements(
            "ALTER DATABASE postgres SET synchronous_commit = 'off'",
            "ALTER DATABASE postgres RESET synchronous_commit",
        ),
    ),
    Omission("postgres", "full_page_writes off", *system("full_page_writes", "off")),
    Omission(
        "archive",
        "Archiving of the write-ahead log fails",
        *system("archive_command", "false", "; SELECT pg_switch_wal()"),
    ),
    Omission("backups", "The last good backup is 3", *aged("backup", 30)),
    Omission("backups", "The last good restore is 2", *aged("drill", 240)),
    Omission(
        "replica",
        "No Postgres follows",
        lambda kept: kept.replica.stop(),
        lambda kept: kept.replica.start(),
    ),
    Omission("tables", "of an older release", *statements(OLDER, OLDER_NO_MORE)),
    Omission("losses", "may be missing", *statements(LOSS, "DELETE FROM redis_losses")),
    Omission(
        "processes",
        "campaigns does not live",
        lambda kept: kept.stack.stop("campaigns"),
        lambda kept: kept.stack.start("campaigns"),
    ),
    Omission("processes", "different releases", *restarted("core", RELEASE=lambda _: "v2")),
    Omission(
        "roles",
        "the superuser postgres",
        *restarted("referrals", DATABASE_URL=lambda kept: kept.beside.url),
    ),
    Omission(
        "verification",
        "found 2 problems",
        lambda kept: kept.redis.hset("verification", "result", msgspec.json.encode(FOUND)),
        lambda kept: kept.run("workers.verify", "--note"),
    ),
    Omission("letters", "1 dead letters", *statements(LETTER, "DELETE FROM dead_letters")),
    Omission(
        "secrets",
        "TOKEN_KEYS is 200 days old",
        secret_age("TOKEN_KEYS", OLD_DAYS),
        secret_age("TOKEN_KEYS", 0),
    ),
    Omission(
        "secrets",
        "EVENT_SECRETS_FILE can be read by everybody",
        lambda kept: (kept.secrets / "EVENT_SECRETS").chmod(0o644),
        lambda kept: (kept.secrets / "EVENT_SECRETS").chmod(0o600),
    ),
]
