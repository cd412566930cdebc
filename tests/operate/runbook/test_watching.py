"""Signals that are lost, nobody who watches, and what runs out: disks, certificates, secrets."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.config import ROOT
from local import servers
from ops.observe import Ports, observing
from tests.certificates import Authority
from tests.faults.shoppers import gauge
from tests.operate.observed import HURRY
from tests.operate.parts import needed
from tests.operate.runbook.following import House, makes
from tests.redis_tls import Door
from tests.waiting import wait_for

pytestmark = [pytest.mark.operate, pytest.mark.long]
DISK_MEGABYTES = 1_100  # deep health wants a gibibyte free
OLD_DAYS = 200


@makes("signals-lost")
def test_lines_cannot_be_written(house: House) -> None:
    stack = house.stack
    command, extra = stack.command("web2")
    with Path("/dev/full").open("ab") as full:
        lost = subprocess.Popen(
            command, cwd=ROOT, env={**stack.environment, **extra}, stdout=full, stderr=full
        )
    try:
        port = stack.ports["web2"]
        wait_for("it listens", lambda: servers.is_listening(port), 60)
        name = "holdfast_log_lines_dropped_total"
        for _ in range(20):
            stack.http.get(f"http://127.0.0.1:{port}/storefront/me")
        wait_for("lines are lost", lambda: gauge(stack, name) > 0, 30)
        house.tells("signals-lost")
        house.does("signals-lost")
    finally:
        lost.terminate()
        lost.wait(20)
    stack.start("web2")  # with a disk that has room
    counted = gauge(stack, name)
    for _ in range(20):
        stack.http.get(f"http://127.0.0.1:{port}/storefront/me")
    house.is_over("signals-lost")
    assert gauge(stack, name) == counted, "it stands still"
    stack.stop("web2")


@makes("nobody-watches")
def test_prometheus_is_away(house: House, tmp_path: Path) -> None:
    needed("prometheus", "prometheus-alertmanager")
    ports = Ports(*(servers.free_port() for _ in range(3)))
    house.settings = {"PROMETHEUS_URL": f"http://127.0.0.1:{ports.prometheus}"}
    house.tells("nobody-watches")
    house.does("nobody-watches")
    target = f"127.0.0.1:{house.stack.ports['web']}"
    with observing(tmp_path, [target], ports, lambda *_: None, HURRY):
        house.is_over("nobody-watches")
    house.settings = {}


@makes("certificate-ends")
def test_a_certificate_ends_in_three_days(house: House, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours", hours=24 * 400)
    certificate, key = authority.issue("holdfast", hours=24 * 3)
    with Door(house.cache.port, authority) as door:
        files = f"ssl_ca_certs={authority.path}&ssl_certfile={certificate}&ssl_keyfile={key}"
        before = house.stack.environment["CACHE_REDIS_URL"]
        house.restart_web(CACHE_REDIS_URL=f"rediss://127.0.0.1:{door.port}/0?{files}")
        wait_for("it is well", house.is_well, 60)
        house.tells("certificate-ends")
        authority.issue("holdfast", hours=24 * 300)
        house.is_over("certificate-ends")
        house.restart_web(CACHE_REDIS_URL=before)
        house.settings = {}


@makes("secrets-old")
def test_a_secret_is_old(house: House, tmp_path: Path) -> None:
    path = tmp_path / "metrics_token"
    path.write_text("an-old-token-an-old-token")
    path.chmod(0o600)
    old = time.time() - OLD_DAYS * 86_400
    os.utime(path, (old, old))
    house.restart_web(METRICS_TOKEN_FILE=str(path))
    house.tells("secrets-old")
    path.write_text("a-new-token-a-new-token")
    house.is_over("secrets-old")
    house.restart_web()


@makes("disk-nearly-full")
def test_the_disk_of_embedded_servers_is_nearly_full(house: House) -> None:
    folder = Path(house.stack.environment["HOLDFAST_DATA"])
    with small_disk(folder):
        ballast = folder / "ballast"
        free = shutil.disk_usage(folder).free
        with ballast.open("wb") as out:
            os.posix_fallocate(out.fileno(), 0, free - 8 * 1024 * 1024)
        house.tells("disk-nearly-full")
        house.does("disk-nearly-full")
        assert gauge(house.stack, "holdfast_disk_free_share") < 0.03
        ballast.unlink()
        house.is_over("disk-nearly-full")
        assert gauge(house.stack, "holdfast_disk_free_share") > 0.9


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A disk of its own at `folder`, with what is there."""
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=0755", "tmpfs"]
    if subprocess.run([*command, str(folder)], capture_output=True).returncode:
        pytest.skip("no disk of a size of its own can be made here: that needs root")
    try:
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        shutil.rmtree(kept)
