"""Lists, stops, starts, kills and pauses the processes of `make run` through its supervisor."""

import asyncio
import os
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from devstore.errors import RefusedError
from local import supervisor

OURSELVES = "devstore"
ACTIONS = ("start", "stop", "kill", "pause", "resume")
RPC_SECONDS = 12.0


class ProcessError(RefusedError):
    """A process cannot be listed or changed."""


def _call(path: Path, work: Callable[[Any], Any]) -> Any:
    try:
        with supervisor.session(path, RPC_SECONDS) as control:
            return work(control)
    except xmlrpc.client.Fault as fault:
        raise ProcessError(f"The supervisor refused: {fault.faultString}.") from None
    except (TimeoutError, OSError) as error:
        raise ProcessError(f"The supervisor does not answer ({type(error).__name__}).") from None


def _tree(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _state(pid: int, name: str) -> str:
    try:
        if pid and psutil.Process(pid).status() == psutil.STATUS_STOPPED:
            return "PAUSED"
    except psutil.Error:
        return "GONE"
    return name


def _list(path: Path) -> list[dict[str, Any]]:
    found = _call(path, lambda control: control.getAllProcessInfo())
    return [
        {
            "name": one["name"],
            "state": _state(one["pid"], one["statename"]),
            "pid": one["pid"],
        }
        for one in found
        if one["name"] != OURSELVES
    ]


async def list_all(path: Path | None) -> list[dict[str, Any]]:
    """Name, state and pid of each process but our own.

    Raises ProcessError when there is no supervisor.
    """
    if path is None:
        raise ProcessError("The processes here are not under a supervisor: nothing can stop them.")
    return await asyncio.to_thread(_list, path)


def _signal(pid: int, work: Callable[[psutil.Process], None]) -> None:
    try:
        for process in _tree(pid):
            work(process)
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied:
        raise ProcessError("This process belongs to somebody else.") from None


def _act(path: Path, name: str, action: str) -> None:
    info = _call(path, lambda control: control.getProcessInfo(name))
    pid, is_running = int(info["pid"]), info["statename"] in {"RUNNING", "STARTING", "BACKOFF"}
    if action == "start":
        if not is_running:
            _call(path, lambda control: control.startProcess(name, False))
        return
    if not pid and action != "stop":
        raise ProcessError(f"{name} is not running.")
    if pid in {os.getpid(), os.getppid()}:
        raise ProcessError("The stand-in store does not stop itself.")
    if action == "stop":
        if is_running:
            if pid:  # a paused process would not hear that it shall stop
                _signal(pid, psutil.Process.resume)
            _call(path, lambda control: control.stopProcess(name, False))
        return
    steps: dict[str, Callable[[psutil.Process], None]] = {
        "kill": psutil.Process.kill,
        "pause": psutil.Process.suspend,
        "resume": psutil.Process.resume,
    }
    _signal(pid, steps[action])


async def act(path: Path | None, name: str, action: str) -> None:
    """Start, stop, kill, pause or resume a process with its children.

    The supervisor starts a killed one again. Raises ProcessError for an unknown process or action,
    or when there is no supervisor.
    """
    known = {one["name"]: one for one in await list_all(path)}
    if name not in known or action not in ACTIONS:
        raise ProcessError("There is no such process or action.")
    assert path is not None
    await asyncio.to_thread(_act, path, name, action)
