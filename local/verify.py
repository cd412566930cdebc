"""`make verify`: recomputes each balance, of DATABASE_URL or here, and checks hash chains."""

import os
import sys
from pathlib import Path

from app import config as settings
from local import servers
from local.processes import known_ports


def main() -> None:
    if not os.environ.get("DATABASE_URL"):
        data = Path(os.environ.get("HOLDFAST_DATA", settings.ROOT / ".holdfast"))
        port = known_ports(data).get("postgres")
        if not port or not servers.is_listening(port):
            raise SystemExit(
                "There is no local store running. Start it with `make run`, or set DATABASE_URL."
            )
        os.environ["DATABASE_URL"] = servers.postgres_url(data.resolve() / "postgres", port)
    os.execv(sys.executable, [sys.executable, "-m", "workers.verify", *sys.argv[1:]])


if __name__ == "__main__":
    main()
