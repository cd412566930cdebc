"""Where these commands find Holdfast: what the environment names, or `make run` here;
`eval "$(python -m ops.here)"` tells a shell.
"""

import asyncio
import os
import shlex
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from app import config as settings

ADDRESSES = ("DATABASE_URL", "REDIS_URL")
DATA = Path(os.environ.get("HOLDFAST_DATA", settings.ROOT / ".holdfast")).resolve()


def use_local_servers() -> None:
    """Let DATABASE_URL and REDIS_URL name the servers of `make run` where they name nothing."""
    if all(os.environ.get(one) or os.environ.get(f"{one}_FILE") for one in ADDRESSES):
        return
    try:
        # an image has no servers, and not what starts them
        from local import processes, servers
    except ModuleNotFoundError:
        raise SystemExit(f"Set {' and '.join(ADDRESSES)}: there is no store here.") from None
    ports = processes.known_ports(DATA)
    found = processes.embedded_environment(DATA, ports)
    for name, url in found.items():
        if os.environ.get(f"{name}_FILE"):
            continue
        os.environ.setdefault(name, url)
        servers_port = ports["postgres" if name == "DATABASE_URL" else "redis"]
        if os.environ[name] == url and not servers.is_listening(servers_port):
            raise SystemExit(f"There is no local store running: start it, or set {name}.")


def exports() -> str:
    """What a shell evaluates to have these commands, and those of `workers`, find them."""
    use_local_servers()
    found = {name: os.environ[name] for name in ADDRESSES if name in os.environ}
    found["HOLDFAST"] = app_url()
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in found.items())


def run(work: Coroutine[Any, Any, int]) -> int:
    """Do what a command is for, with the servers that are here; a store that is away is told in a
    sentence.
    """
    from app.resilience import failures  # knows all drivers, which takes as long as most answers

    use_local_servers()
    try:
        return asyncio.run(work)
    except Exception as error:
        if not failures.is_passing(error):
            raise
        raise SystemExit(f"A store does not answer ({failures.reason(error)}).") from None


def app_url() -> str:
    """Where web answers: HOLDFAST, or PORT on this machine."""
    port = os.environ.get("PORT") or "8000"
    return os.environ.get("HOLDFAST", f"http://127.0.0.1:{port}").rstrip("/")


if __name__ == "__main__":
    print(exports())
