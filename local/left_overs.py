"""What a killed run or supervisor has left behind, found by its data folder and ended."""

import os
import signal
from pathlib import Path

import psutil

from local import processes

STOP_SECONDS = 9
PROGRAMS = (*processes.SERVERS, "valkey")


def end(data: Path) -> None:
    """Stop what a killed run or supervisor left: who has our HOLDFAST_RUN, or serves our data."""
    found = [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _is_ours(process, data)
    ]
    if not found:
        return
    print("Stopping what was left behind ...", flush=True)
    # supervisord first, or it would start the others again
    for process in sorted(found, key=lambda one: "supervisord" not in " ".join(_command_line(one))):
        try:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGINT if "postgres" in process.name() else signal.SIGTERM)
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(found, timeout=STOP_SECONDS)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=2)


def _is_ours(process: psutil.Process, data: Path) -> bool:
    try:
        if process.environ().get("HOLDFAST_RUN") == str(data):
            return True
        # the servers write their titles over their environment
        return process.name().startswith(PROGRAMS) and Path(process.cwd()).parent == data
    except psutil.Error:
        return False


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []
