"""`make ready` on a real installation: nothing is missing where it is well kept; each of many
omissions is named, one by one and together; it ends whatever hangs, and changes nothing.
"""

import time
from collections.abc import Iterator

import pytest

from tests.faults.changed_programs import WRONG_CLOCK
from tests.operate.kept import Kept, well_kept
from tests.operate.parts import needed
from tests.operate.planting import OMISSIONS, Omission
from tests.silence import Silence
from tests.waiting import wait_for

pytestmark = [pytest.mark.operate, pytest.mark.long]
MENDED_SECONDS = 180.0  # an archive that failed is tried again after a minute
HUNG_SECONDS_MAX = 62.0
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
