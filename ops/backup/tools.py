"""PostgreSQL's own programs: where they are, and how they are told where the database is."""

import os
import shutil
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit


def find(name: str) -> str:
    """The program of PostgreSQL 17 or newer: of PG_BIN, of the wheel, or on the PATH.

    Raises SystemExit when it is nowhere.
    """
    for folder in filter(None, (os.environ.get("PG_BIN"), _of_the_wheel())):
        if (Path(folder) / name).exists():
            return str(Path(folder) / name)
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not found: set PG_BIN to the folder of PostgreSQL's programs.")
    return found


def _of_the_wheel() -> str:
    from local import servers

    try:
        return str(servers.postgres_binaries())
    except ImportError:
        return ""


def database_url() -> str:
    """DATABASE_URL. Raises SystemExit when there is none."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        raise SystemExit("Set DATABASE_URL to the database that is to be backed up.")
    return url


def address(url: str, **more: str) -> str:
    """A DATABASE_URL for programs that use libpq, with `more` parameters."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | more
    told = urlencode(query, quote_via=quote)  # a plus is no space to libpq
    return f"postgresql://{parts.netloc}{parts.path}" + (f"?{told}" if told else "")
