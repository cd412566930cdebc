"""`make ready` on a real installation: nothing is missing where it is well kept; each of many
omissions is named, one by one and together; it ends whatever hangs, and changes nothing.
"""

import os
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import pytest

from app.flow.verified import Verified
from tests.faults.changed_programs import WRONG_CLOCK
from tests.operate.kept import Kept, well_kept
from tests.operate.parts import needed
from tests.silence import Silence
from tests.waiting import wait_for

pytestmark = [pytest.mark.operate, pytest.mark.long]
MENDED_SECONDS = 180.0  # an archive that failed is tried again after a minute
HUNG_SECONDS_MAX = 62.0
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
# in the shell of whoever asks
SETTINGS = {
    "secrets": ({"HOLDFAST_ENV": "development"}, "HOLDFAST_ENV is not production"),
    "alerts": ({"PROMETHEUS_URL": ""}, "PROMETHEUS_URL names no Prometheus"),
    "reports": ({"SENTRY_DSN": ""}, "set SENTRY_DSN"),
}


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    needed("prometheus", "prometheus-alertmanager")
    with well_kept() as made:
        yield made


def is_ready(kept: Kept, *checks: str) -> bool:
    answers.append(kept.ready(*checks))
    return answers[-1][0] == 0


answers: list[tuple[int, str]] = []


def test_a_well_kept_installation_lacks_nothing(kept: Kept) -> None:
    wait_for("it is ready", lambda: is_ready(kept), 60, lambda: answers[-1][1])
    assert "Ready." in answers[-1][1]


@pytest.mark.parametrize("omission", OMISSIONS, ids=lambda one: one.said)
def test_an_omission_is_named_and_no_more_once_it_is_mended(kept: Kept, omission: Omission) -> None:
    def is_named() -> bool:
        answers.append(kept.ready(omission.check))
        return omission.said in answers[-1][1] and answers[-1][0] == 1

    omission.plant(kept)
    wait_for(omission.said, is_named, 30, lambda: answers[-1][1])
    omission.mend(kept)
    wait_for(
        "mended", lambda: is_ready(kept, omission.check), MENDED_SECONDS, lambda: answers[-1][1]
    )


def test_all_of_them_together_are_each_named(kept: Kept) -> None:
    for omission in OMISSIONS:
        omission.plant(kept)
    left: list[str] = []

    def all_named() -> bool:
        code, text = kept.ready()
        left[:] = [one.said for one in OMISSIONS if one.said not in text]
        answers.append((code, text))
        return not left and code == 1

    wait_for("each is named", all_named, 60, lambda: f"{left} {answers[-1][1]}")
    print(f"\n{len(OMISSIONS)} omissions planted together:\n{answers[-1][1]}")
    for omission in OMISSIONS:
        omission.mend(kept)
    wait_for("nothing is missing", lambda: is_ready(kept), MENDED_SECONDS, lambda: answers[-1][1])


def test_what_the_settings_of_whoever_asks_lack_is_named(kept: Kept) -> None:
    for check, (settings, said) in SETTINGS.items():
        code, text = kept.ready(check, **settings)
        assert code == 1
        assert said in text


def test_clocks_that_are_apart_are_named(
    kept: Kept, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("clock")
    (folder / "shift").write_text("3600")
    (folder / "sitecustomize.py").write_text(WRONG_CLOCK.format(file=str(folder / "shift")))
    code, text = kept.ready("clocks", PYTHONPATH=str(folder))
    assert code == 1
    assert "The clock of Postgres is -3600 s from this machine's" in text
    assert "The clock of Redis is -3600 s" in text


def test_who_may_change_nothing_can_ask_all_of_it(kept: Kept) -> None:
    kept.beside.execute("CREATE ROLE watcher LOGIN IN ROLE pg_monitor, pg_read_all_data")
    kept.redis.acl_setuser(
        "watcher",
        enabled=True,
        passwords=["+a-password-of-its-own"],
        keys=["*"],
        commands=["+@read", "+info", "+config|get", "+ping", "+time", "+hello", "+@connection"],
    )
    superuser = kept.beside.url
    code, text = kept.ready(
        DATABASE_URL=superuser.replace("postgres@", "watcher@"),
        REDIS_URL=f"redis://watcher:a-password-of-its-own@127.0.0.1:{kept.stack.ports['redis']}/0",
    )
    assert code == 0, text
    kept.beside.execute("CREATE ROLE stranger LOGIN")
    code, text = kept.ready(
        "replica", "letters", "backups", DATABASE_URL=superuser.replace("postgres@", "stranger@")
    )
    assert code == 1
    assert "GRANT pg_monitor" in text


def test_stores_that_are_away_or_hang_are_told_in_time(kept: Kept) -> None:
    nobody = {
        "DATABASE_URL": "postgres://postgres@127.0.0.1:9/postgres",
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "CACHE_REDIS_URL": "redis://127.0.0.1:9/1",
        "PROMETHEUS_URL": "http://127.0.0.1:9",
    }
    began = time.monotonic()
    code, text = kept.ready(**nobody)
    away_seconds = time.monotonic() - began
    assert code == 1
    assert text.count("It could not be asked") > 5
    ports = kept.stack.ports
    with Silence(ports["postgres"]) as postgres, Silence(ports["redis"]) as queue:
        for one in (postgres, queue):
            one.be_black_hole()
        began = time.monotonic()
        code, text = kept.ready(
            DATABASE_URL=kept.beside.url.replace(str(ports["postgres"]), str(postgres.port)),
            REDIS_URL=f"redis://127.0.0.1:{queue.port}/0",
        )
        hung_seconds = time.monotonic() - began
    print(f"\naway: {away_seconds:.1f} s, black holes: {hung_seconds:.1f} s")
    assert code == 1
    assert hung_seconds < HUNG_SECONDS_MAX
