"""The buttons of the "break it" page really stop, start, kill and pause a process."""

import asyncio
from pathlib import Path

import psutil
import pytest

from devstore import processes


async def state_becomes(path: Path, wanted: str) -> dict[str, object]:
    async with asyncio.timeout(60):
        while True:
            try:
                found = (await processes.list_all(path))[0]
            except processes.ProcessError:
                found = {"state": "no supervisor yet"}
            if found["state"] == wanted:
                return found
            await asyncio.sleep(0.05)


async def test_a_process_is_started_paused_resumed_killed_and_stopped(socket_path: Path) -> None:
    await state_becomes(socket_path, "STOPPED")
    await processes.act(socket_path, "redis", "start")
    first = await state_becomes(socket_path, "RUNNING")
    await processes.act(socket_path, "redis", "pause")
    await state_becomes(socket_path, "PAUSED")
    await processes.act(socket_path, "redis", "resume")
    await state_becomes(socket_path, "RUNNING")
    await processes.act(socket_path, "redis", "kill")
    async with asyncio.timeout(60):
        pids = {0, first["pid"]}  # of none, and of the one that was killed
        while (await processes.list_all(socket_path))[0]["pid"] in pids:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await processes.act(socket_path, "redis", "pause")
    await processes.act(socket_path, "redis", "stop")
    await state_becomes(socket_path, "STOPPED")
    assert not psutil.pid_exists(int(str(first["pid"])))
    with pytest.raises(processes.ProcessError, match="no such process"):
        await processes.act(socket_path, "nobody", "stop")


async def test_without_a_supervisor_it_says_so_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(processes.ProcessError, match="not under a supervisor"):
        await processes.list_all(None)
    with pytest.raises(processes.ProcessError, match="does not answer"):
        await processes.list_all(tmp_path / "nothing.sock")
