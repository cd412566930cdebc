"""Log lines to a reader that is slow, silent, gone or never there: nobody who logs waits for it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from app import config as settings
from app.telemetry import outlet
from app.telemetry.metrics import LOG_LINES_DROPPED
from app.telemetry.outlet import Outlet
from tests.telemetry.test_telemetry import run

SECONDS = 20.0


def dropped_line(count: int) -> bytes:
    return b"%d dropped\n" % count


def dropped_so_far() -> float:
    return LOG_LINES_DROPPED._value.get()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The reading and the writing end; what a test closes itself it replaces."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            assert end == ends[0], "only a reader leaves"


def read_until(end: int, last: bytes) -> list[bytes]:
    found = b""
    while not found.endswith(last):
        found += os.read(end, 65_536)
    return found.splitlines()


def test_lines_come_out_whole_and_in_order(pipe) -> None:
    reader, writer = pipe
    out = Outlet(writer, dropped_line)
    for number in range(3_000):
        out.put(b"line %d\n" % number)
    assert read_until(reader, b"line 2999\n") == [b"line %d" % number for number in range(3_000)]


def test_a_reader_that_stands_still_keeps_nobody_waiting_and_is_told_what_it_missed(
    pipe, monkeypatch
) -> None:
    monkeypatch.setattr(outlet, "LINES_MAX", 100)
    reader, writer = pipe
    out = Outlet(writer, dropped_line)
    before = dropped_so_far()
    out.put(b"x" * 1_000_000 + b"\n")  # more than the pipe holds: the thread is in the middle of it
    time.sleep(0.2)
    began = time.monotonic()
    for number in range(1_000):
        out.put(b"line %d\n" % number)
    assert time.monotonic() - began < SECONDS
    assert dropped_so_far() - before == 900
    lines = read_until(reader, b" dropped\n")
    assert lines[1:] == [b"line %d" % number for number in range(100)] + [b"900 dropped"]
    out.put(b"again\n")
    assert read_until(reader, b"again\n") == [b"again"]


def test_the_place_where_lines_are_missing_is_where_it_is_said(pipe, monkeypatch) -> None:
    monkeypatch.setattr(outlet, "BYTES_MAX", 2_000_000)
    reader, writer = pipe
    out = Outlet(writer, dropped_line)
    out.put(b"x" * 1_500_000 + b"\n")
    out.put(b"y" * 1_000_000 + b"\n")  # no room for it
    out.put(b"small\n")
    assert read_until(reader, b"small\n")[1:] == [b"1 dropped", b"small"]


def test_a_reader_that_has_left_costs_lines_and_nothing_else(pipe) -> None:
    reader, writer = pipe
    os.close(reader)
    out = Outlet(writer, dropped_line)
    before = dropped_so_far()
    for _ in range(50):
        out.put(b"into the void\n")
    out.flush()
    ends = time.monotonic() + SECONDS
    while dropped_so_far() - before < 50:
        assert time.monotonic() < ends
        time.sleep(0.01)
    time.sleep(0.2)
    assert dropped_so_far() - before == 50, "it does not go on trying to say so"


def test_a_disk_without_room_costs_lines_and_nothing_else() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    out = Outlet(full, dropped_line)
    before = dropped_so_far()
    for _ in range(50):
        out.put(b"no room\n")
    out.flush()
    ends = time.monotonic() + SECONDS
    while dropped_so_far() - before < 50:
        assert time.monotonic() < ends
        time.sleep(0.01)
    os.close(full)


def test_a_process_without_stdout_logs_into_the_void() -> None:
    out = Outlet(None, dropped_line)
    before = dropped_so_far()
    out.put(b"nowhere\n")
    out.flush()
    assert dropped_so_far() - before == 1


def test_a_pipe_somebody_made_non_blocking_is_waited_for(pipe) -> None:
    reader, writer = pipe
    os.set_blocking(writer, False)
    out = Outlet(writer, dropped_line)
    out.put(b"x" * 1_000_000 + b"\n")
    out.put(b"end\n")
    assert len(read_until(reader, b"end\n")[0]) == 1_000_000


def test_the_end_of_a_process_waits_for_its_reader_a_moment_and_no_longer(pipe) -> None:
    out = Outlet(pipe[1], dropped_line)
    out.put(b"x" * 1_000_000 + b"\n")
    began = time.monotonic()
    out.flush(0.3)
    assert 0.3 <= time.monotonic() - began < SECONDS
    read_until(pipe[0], b"\n")


def test_a_process_ends_although_nobody_reads_its_last_lines(embedded) -> None:
    program = (
        "from app import config\nfrom app.telemetry import logs\n"
        "logs.setup('web', config.load())\nlogs.logger().info('x' * 1_000_000)\n"
    )
    reader, writer = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=settings.ROOT, stdout=writer, timeout=30
        )
        assert done.returncode == 0
    finally:
        os.close(writer)
        os.close(reader)


def test_what_was_said_last_is_written_before_the_process_ends() -> None:
    lines = run("for number in range(500): logs.logger().info('said', number=number)")
    assert [json.loads(line)["number"] for line in lines] == list(range(500))


def test_own_lines_and_those_of_libraries_keep_their_order() -> None:
    lines = run(
        "for number in range(20):\n"
        "    logs.logger().info('ours', number=number)\n"
        "    logging.getLogger('uvicorn.error').warning('theirs %d', number)\n"
    )
    said = [json.loads(line)["event"].split()[0] for line in lines]
    assert said == ["ours", "theirs"] * 20


def test_a_value_that_cannot_be_shown_costs_its_line_and_no_more() -> None:
    lines = run(
        "class Odd:\n    def __repr__(self): raise RuntimeError('no')\n"
        "logs.logger().info('odd', value=Odd())\n"
        "logging.getLogger('x').warning('%d', 'no number')\n"
        "logs.logger().info('fine')\n"
    )
    events = [json.loads(line) for line in lines]
    assert [one["event"] for one in events] == ["odd", "log line not understood", "fine"]
