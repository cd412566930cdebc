"""Where the stand-in store listens, which app it frames, where its state is; read once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# the documented development default
DEVELOPMENT_SECRET = "dev-secret-dev-secret-dev-secret-1"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Settings:
    port: int
    app_url: str  # no trailing slash
    api_key: str
    api_secret: str
    api_version: str
    data: Path
    schema_directory: Path
    supervisor_socket: Path | None
    process_words: dict[str, str]  # what each process does, for people
    with_demo: bool


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment; every setting has a default that fits `make run`."""
    env = os.environ if environ is None else environ
    socket = env.get("HOLDFAST_SUPERVISOR", "")
    return Settings(
        port=int(env.get("DEVSTORE_PORT", "8100")),
        app_url=env.get("APP_URL", "http://127.0.0.1:8000").rstrip("/"),
        api_key=env.get("SHOPIFY_API_KEY", "") or "dev-key",
        api_secret=env.get("SHOPIFY_API_SECRET", "") or DEVELOPMENT_SECRET,
        api_version=env.get("SHOPIFY_API_VERSION", "2026-07"),
        data=Path(env.get("HOLDFAST_DATA", ROOT / ".holdfast")),
        schema_directory=Path(
            env.get("SHOPIFY_SCHEMA_DIR", "") or ROOT.parent / "shared" / "shopify" / "schema"
        ),
        supervisor_socket=Path(socket) if socket else None,
        process_words=_words(env.get("HOLDFAST_WORDS", "")),
        with_demo=env.get("DEVSTORE_DEMO", "on") != "off",
    )


def _words(said: str) -> dict[str, str]:
    """`name=words;name=words`, as whoever started us knows them."""
    return dict(part.split("=", 1) for part in said.split(";") if "=" in part)
