"""What `make run` does about a supervisor that was killed."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from local import run, supervisor
from tests.waiting import wait_for

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_what_a_killed_supervisor_leaves_is_stopped() -> None:
    with tempfile.TemporaryDirectory(prefix="run-") as name:
        data = Path(name).resolve()
        (data / "logs").mkdir()
        socket, conf, programs = data / "s.sock", data / "s.conf", {"web": SLEEPER}
        conf.write_text(
            supervisor.configuration(
                data, socket, programs, {"HOLDFAST_RUN": str(data)}, root=os.geteuid() == 0
            )
        )
        supervising = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", str(conf)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for("the supervisor listens", socket.exists, 120)
        with supervisor.session(socket) as control:
            control.startProcess("web", True)
            sleeper = psutil.Process(control.getProcessInfo("web")["pid"])
            supervising.kill()
            supervising.wait(5)
            assert sleeper.is_running(), "it must be left over for this test to mean anything"
            run.stop_everything(control, programs, supervising, data)
        assert not sleeper.is_running()
