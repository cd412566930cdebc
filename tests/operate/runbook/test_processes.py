"""Processes that are stopped, hang, or bring a fault of ours."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.config import ROOT
from app.services import PROCESSES
from tests.faults.changed_programs import customised
from tests.faults.shoppers import bob_with
from tests.operate.runbook.following import House, Stranger, makes
from tests.waiting import wait_for

pytestmark = [pytest.mark.operate, pytest.mark.long]
WORKERS = [name for name in PROCESSES if name != "web"]
BROKEN_PAGES = """
from app.web import pages

def broken(*_, **__):
    raise RuntimeError("a fault of ours")

pages.render = broken
"""
ANOTHER_RELEASE = "SELECT pg_advisory_xact_lock(4065350211)"  # what a release holds while it runs


@makes(*(f"part-{name}" for name in WORKERS))
@pytest.mark.parametrize("part", WORKERS)
def test_a_worker_that_is_stopped(house: House, part: str) -> None:
    house.stack.stop(part)
    house.tells(f"part-{part}")
    house.does(f"part-{part}")
    house.stack.start(part)
    house.is_over(f"part-{part}")


@makes("part-web")
def test_a_web_that_hangs(house: House) -> None:
    house.stack.pause("web")
    house.tells("part-web")
    house.stack.resume("web")
    house.is_over("part-web")


@makes("holdfast-away")
def test_nobody_answers_at_all(house: House) -> None:
    house.stack.kill("web")
    house.tells("holdfast-away")
    house.stack.start("web")
    house.is_over("holdfast-away")


@makes("host-silent")
def test_a_host_with_all_workers_falls_silent(house: House) -> None:
    for name in WORKERS:
        house.stack.pause(name)
    house.tells("host-silent")
    for name in WORKERS:
        house.stack.resume(name)
    house.is_over("host-silent")


@makes("orders-late")
def test_orders_wait_in_their_lanes_because_their_worker_stands_still(house: House) -> None:
    bob = bob_with(house.stack, 20)
    house.stack.pause("ingest")
    for _ in range(3):
        house.stack.order(bob, "10.00")
    house.tells("orders-late")
    house.stack.start("ingest2")  # a second one of the kind, as the page says
    house.is_over("part-points")
    house.stack.wait_for_points(bob, 50, 60)
    house.stack.resume("ingest")
    house.is_over("orders-late")
    house.stack.stop("ingest2")


@makes("pages-fail")
def test_a_release_whose_pages_fail_is_rolled_back(house: House, tmp_path: Path) -> None:
    with customised(house.stack, "web", tmp_path, BROKEN_PAGES):
        assert house.stack.open_admin("/").status_code == 500
        house.tells("pages-fail")
        house.does("pages-fail")
    house.is_over("pages-fail")
    assert house.stack.open_admin("/").status_code == 200


@makes("release-stuck")
def test_a_release_waits_for_another_that_hangs(house: House, stranger: Stranger) -> None:
    stranger.begin(ANOTHER_RELEASE, name="older release")
    waiting = subprocess.Popen(
        [sys.executable, "-m", "workers.release"],
        cwd=ROOT,
        env=house.stack.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    house.tells("release-stuck")
    assert waiting.poll() is None
    house.does("release-stuck")
    wait_for("the release ends", lambda: waiting.poll() == 0, 60)
    house.is_over("release-stuck")
