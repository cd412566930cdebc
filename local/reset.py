"""`make reset`: forgets all local data unless a store runs on it; needs nothing installed."""

import fcntl
import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    data = Path(os.environ.get("HOLDFAST_DATA", ROOT / ".holdfast")).resolve()
    if not data.exists():
        print("There is no local data.")
        return
    with (data / "run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(
                "`make run` is running on this data. Stop it first (Ctrl-C there)."
            ) from None
        shutil.rmtree(data)
    print("All local data is gone; the next make run starts anew.")


if __name__ == "__main__":
    main()
