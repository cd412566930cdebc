"""`make run`: starts a living store here, prints its addresses, stops it all on Ctrl-C."""

import contextlib
import fcntl
import hashlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any

import psutil

from app import config as settings
from app import development
from app.services import PROCESSES
from local import left_overs, processes, servers, supervisor

READY_SECONDS = 60
STOP_SECONDS = 9
PORT_MAX = 65535


def say(text: str) -> None:
    with contextlib.suppress(OSError):  # the window may be closed by now
        print(text, flush=True)


def stop_with(sentence: str) -> SystemExit:
    return SystemExit(f"Holdfast did not start: {sentence}")


def take_folder(data: Path) -> IO[str]:
    """The lock of the data's folder, which is made where it is missing."""
    os.umask(0o077)  # what we and all we start write is nobody else's to read
    try:
        (data / "logs").mkdir(parents=True, exist_ok=True)
        return take_lock(data)
    except OSError as error:
        raise stop_with(
            f"{data} cannot be written to ({error.strerror}). Choose another HOLDFAST_DATA."
        ) from None


def take_lock(data: Path) -> IO[str]:
    """Hold `run.lock` while this process lives; the kernel lets go, so it is never stale."""
    handle = (data / "run.lock").open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise stop_with(
            "another `make run` of this folder is running. Stop it first (Ctrl-C there)."
        ) from None
    return handle


def check_port(port: int, name: str) -> None:
    if port > PORT_MAX:
        raise stop_with(f"{name} is a number up to {PORT_MAX}, and {port} is not.")
    if servers.is_listening(port):
        raise stop_with(f"port {port} is taken. Free it, or choose another: `{name}=… make run`.")


def socket_path(data: Path) -> Path:
    """In the folder, or, where that path is over the 100 bytes of a socket, a temporary one."""
    path = data / "supervisor.sock"
    # sockaddr_un holds 104 to 108, less supervisor's suffix
    if len(str(path).encode()) < 90:  # noqa: PLR2004
        return path
    digest = hashlib.sha256(str(data).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"holdfast-{digest}.sock"


def answers(url: str) -> bool:
    try:
        # our own loopback address
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310
            return bool(response.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, OSError):
        return False


def wait_until(
    what: str, ready: Any, supervising: subprocess.Popen[bytes], data: Path, seconds: float
) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if supervising.poll() is not None:
            raise stop_with(f"the process supervisor ended; see {data}/logs/supervisord.log.")
        if time.monotonic() > deadline:
            raise stop_with(f"{what} was not ready within {seconds:.0f} s; see {data}/logs.")
        time.sleep(0.05)


def start_programs(control: Any, names: list[str]) -> None:
    for name in names:
        control.startProcess(name, False)


def stop_everything(
    control: Any,
    programs: dict[str, list[str]],
    supervising: subprocess.Popen[bytes],
    data: Path,
) -> None:
    """The app first, then what it writes to; all within ten seconds. Of a supervisor that was
    killed, whatever it has left.
    """
    deadline = time.monotonic() + STOP_SECONDS
    for process in (
        psutil.Process(supervising.pid).children(recursive=True)
        if supervising.poll() is None
        else ()
    ):
        with contextlib.suppress(psutil.Error):
            process.resume()  # one that is paused would not hear that it shall stop
    try:
        for group in ([n for n in programs if n not in processes.SERVERS], list(processes.SERVERS)):
            for name in group:
                if name in programs and control.getProcessInfo(name)["statename"] in {
                    "RUNNING",
                    "STARTING",
                    "BACKOFF",
                }:
                    control.stopProcess(name, False)
            while time.monotonic() < deadline - 2 and any(
                control.getProcessInfo(name)["statename"] == "STOPPING"
                for name in group
                if name in programs
            ):
                time.sleep(0.05)
        control.shutdown()
    except (OSError, http.client.HTTPException):
        supervising.terminate()
    try:
        supervising.wait(max(0.5, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        supervising.kill()
    left_overs.end(data)


def main() -> None:
    data = Path(os.environ.get("HOLDFAST_DATA", settings.ROOT / ".holdfast")).resolve()
    lock = take_folder(data)
    left_overs.end(data)
    config = settings.load()
    if config.port == config.devstore_port:
        raise stop_with(
            f"PORT and DEVSTORE_PORT are both {config.port}. Choose another for one of them."
        )
    check_port(config.port, "PORT")
    check_port(config.devstore_port, "DEVSTORE_PORT")
    started_at = time.monotonic()
    shutil.rmtree(data / "metrics", ignore_errors=True)
    (data / "metrics").mkdir()

    embedded = processes.embedded_ports(data)
    control_socket = socket_path(data)
    control_socket.unlink(missing_ok=True)  # of a supervisor that was killed: nobody listens there
    environment = {
        **processes.embedded_environment(data, embedded),
        **development.its_secrets(data),
        "HOLDFAST_DATA": str(data),
        "HOLDFAST_RUN": str(data),
        "HOLDFAST_SUPERVISOR": str(control_socket),
        "HOLDFAST_WORDS": words(),
        # whoever tries Holdfast out sees points from the first order on
        "PROGRAM_STARTS_AS": os.environ.get("PROGRAM_STARTS_AS", "live"),
        "PROMETHEUS_MULTIPROC_DIR": str(data / "metrics"),
        "APP_URL": f"http://127.0.0.1:{config.port}",
        "PORT": str(config.port),
        "DEVSTORE_PORT": str(config.devstore_port),
        "PYTHONUNBUFFERED": "1",
    }
    apps = {
        name: command for name, command in processes.app_commands().items() if name != "release"
    }
    programs = {
        **{
            kind: processes.server_command(kind, data / kind, port)
            for kind, port in embedded.items()
        },
        **apps,
        "devstore": processes.devstore_command(),
    }
    config_path = data / "supervisord.conf"
    config_path.write_text(
        supervisor.configuration(
            data, control_socket, programs, environment, root=os.geteuid() == 0
        )
    )
    config_path.chmod(0o600)
    say("Starting Holdfast ...")
    supervising = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(config_path)],
        cwd=settings.ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches us alone; we stop the others in order
    )
    stopping = told_to_stop()
    control = supervisor.connect(control_socket)
    try:
        wait_until("the process supervisor", control_socket.exists, supervising, data, 10)
        start_programs(control, [kind for kind in processes.SERVERS if kind in programs])
        release = subprocess.run(
            processes.app_commands()["release"],
            cwd=settings.ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        (data / "logs" / "release.log").write_text(release.stdout + release.stderr)
        if release.returncode and not stopping:
            raise stop_with(f"the database could not be migrated; see {data}/logs/release.log.")
        start_programs(control, [] if stopping else [*apps, "devstore"])
        for name, url in (
            ("web", f"{environment['APP_URL']}/healthz"),
            ("devstore", devstore_url(config) + "/"),
        ):
            wait_until(
                name,
                lambda url=url: bool(stopping) or answers(url),
                supervising,
                data,
                READY_SECONDS,
            )
        if not stopping:
            announce(config, time.monotonic() - started_at)
        while not stopping and supervising.poll() is None:
            time.sleep(0.2)
    finally:
        say("\nStopping; your data stays in .holdfast ...")
        stop_everything(control, programs, supervising, data)
        lock.close()
    if not stopping:
        raise SystemExit(
            f"The process supervisor ended by itself, so everything was stopped. Nothing is lost: "
            f"`make run` goes on from here. See {data}/logs/supervisord.log."
        )
    say("Stopped.")


def words() -> str:
    """What each process does, for the break-it page: name=words;name=words."""
    ours = {one.name: one.words for one in PROCESSES.values()}
    found = {**ours, "postgres": "the database", "redis": "queues and caches"}
    return ";".join(f"{name}={said}" for name, said in found.items())


def told_to_stop() -> list[int]:
    """A list that gets every signal to stop from now on."""
    received: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue  # nohup
        signal.signal(number, lambda one, _frame: received.append(one))
    return received


def devstore_url(config: settings.Config) -> str:
    return f"http://127.0.0.1:{config.devstore_port}"


def announce(config: settings.Config, seconds: float) -> None:
    store = devstore_url(config)
    say(
        f"Holdfast is ready ({seconds:.1f} s).\n\n"
        f"  Merchant admin   {store}/store/holdfast-demo\n"
        f"  Storefront       {store}/shops/holdfast-demo.myshopify.com/\n"
        f"  Health           {store}/store/holdfast-demo?path=/health\n\n"
        f"  Break it         {store}/break\n\n"
        "Ctrl-C stops it all and keeps the data."
    )


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # before we took Ctrl-C in hand nothing was running yet
        raise SystemExit("Stopped.") from None
