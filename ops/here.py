"""Where these commands find Holdfast: what the environment names, or `make run` here."""

import os
from pathlib import Path

from app import config as settings
from local import processes, servers

DATA = Path(os.environ.get("HOLDFAST_DATA", settings.ROOT / ".holdfast")).resolve()


def use_local_servers() -> None:
    """Let DATABASE_URL and REDIS_URL name the servers of `make run` where they name nothing."""
    ports = processes.known_ports(DATA)
    found = processes.embedded_environment(DATA, ports)
    for name, url in found.items():
        os.environ.setdefault(name, url)
        servers_port = ports["postgres" if name == "DATABASE_URL" else "redis"]
        if os.environ[name] == url and not servers.is_listening(servers_port):
            raise SystemExit(f"There is no local store running: start it, or set {name}.")


def app_url() -> str:
    """Where web answers: HOLDFAST, or PORT on this machine."""
    port = os.environ.get("PORT") or "8000"
    return os.environ.get("HOLDFAST", f"http://127.0.0.1:{port}").rstrip("/")
