"""What a process sees on its own machine: certificates, secrets, the disk of embedded servers."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from app import config as settings
from app.operations import host
from tests.certificates import Authority

DAY = 86_400


def test_the_first_certificate_to_end_counts_and_one_nobody_can_read_has_ended(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path, "ours", hours=24 * 90)
    soon, _ = authority.issue("soon", hours=24 * 3)
    later, _ = authority.issue("later", hours=24 * 30)
    config = replace(
        settings.load({}),
        database_url=f"postgres://h@db/h?sslrootcert={authority.path}&sslcert={later}",
        redis_url=f"rediss://one:6379/0?ssl_ca_certs={authority.path}&ssl_certfile={later}",
        lane_redis_urls=(f"rediss://two:6379/0?ssl_certfile={soon}",),
        bus_url=f"kafkas://a:9092/facts?ca={tmp_path}/none.pem",
    )
    left = {name: round(seconds / DAY) for name, seconds in host.certificates(config)}
    assert left == {"DATABASE_URL": 30, "REDIS_URL": 3, "BUS_URL": 0}
    authority.issue("soon", hours=24 * 60)
    os.utime(soon, (time.time() + 1, time.time() + 1))
    assert round(dict(host.certificates(config))["REDIS_URL"] / DAY) == 30, "it was renewed"


def test_the_age_of_a_secret_is_that_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    path.write_text("secret")
    os.utime(path, (time.time() - 200 * DAY,) * 2)
    monkeypatch.setenv("METRICS_TOKEN_FILE", str(path))
    monkeypatch.setenv("TOKEN_KEYS_FILE", str(tmp_path / "none"))
    ages = host.secrets()
    assert round(ages["METRICS_TOKEN"] / DAY) == 200
    assert ages["TOKEN_KEYS"] == float("inf"), "nobody knows"
    assert "EVENT_SECRETS" not in ages


def test_the_disk_is_told_where_there_are_embedded_servers(tmp_path: Path) -> None:
    config = replace(settings.load({}), data_folder=tmp_path)
    (disk,) = (one for one in host.figures(config) if one.name == "holdfast_disk_free_share")
    assert 0 < disk.values[""] <= 1
    elsewhere = replace(config, data_folder=None)
    assert "holdfast_disk_free_share" not in {one.name for one in host.figures(elsewhere)}
