"""What a checkout has where production has settings: secrets it made, in a private folder."""

import contextlib
import json
import os
import secrets
from base64 import urlsafe_b64encode
from pathlib import Path

TOKEN_KEY_BYTES = 32


def its_secrets(directory: Path) -> dict[str, str]:
    """The secrets of this checkout, made on first use, kept in `secrets.json` of `directory`."""
    path = directory / "secrets.json"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    keep_private(directory)
    if not path.exists():
        made = {
            "EVENT_SECRETS": secrets.token_urlsafe(32),
            "TOKEN_KEYS": urlsafe_b64encode(secrets.token_bytes(TOKEN_KEY_BYTES)).decode(),
        }
        fresh = path.with_name(f"secrets.{os.getpid()}.json")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(made))
        try:
            # the first of several starting processes wins, all read the same file
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    loaded: dict[str, str] = json.loads(path.read_text())
    return loaded


def keep_private(directory: Path) -> None:
    """Leave the folder and what lies in it to their owner alone, also where an earlier release did
    not. What belongs to somebody else is theirs to keep.

    A folder root's PostgreSQL has to walk through, being another user, stays open for that alone.
    """
    walked = 0o011 if os.geteuid() == 0 else 0
    _restrict(directory, 0o700 | walked)
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process starts and tidies up too
            _restrict(path, 0o700)


def _restrict(path: Path, mode_max: int) -> None:
    found = path.lstat()
    is_ours = found.st_uid == os.geteuid() and not path.is_symlink()
    if is_ours and found.st_mode & 0o777 & ~mode_max:
        path.chmod(found.st_mode & mode_max)
