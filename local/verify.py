"""`make verify`: recomputes every balance of the local store (or of DATABASE_URL) and checks the hash chains."""

import json
import os
import sys

from app import config as settings


def main() -> None:
    ports = settings.ROOT / ".holdfast" / "ports.json"
    if not os.environ.get("DATABASE_URL") and ports.exists():
        port = json.loads(ports.read_text()).get("postgres")
        os.environ["DATABASE_URL"] = f"postgres://postgres@127.0.0.1:{port}/postgres"
    os.execv(sys.executable, [sys.executable, "-m", "workers.verify", *sys.argv[1:]])


if __name__ == "__main__":
    main()
