"""Every setting, read once from the environment; a process refuses to start when one it needs
is missing.
"""

import json
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

N = TypeVar("N", int, float)
ROOT = Path(__file__).resolve().parent.parent
DEVELOPMENT_SECRET = "dev-secret-dev-secret-dev-secret-1"  # noqa: S105 - refused in production
TOKEN_KEY_BYTES = 32


class MissingSettingsError(SystemExit):
    """Raised at boot; its text names all settings that are missing, not just the first."""


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. What is secret, and every address that can hold a password, stays out of
    its repr.
    """

    environment: str
    port: int
    devstore_port: int
    api_key: str
    api_secrets: tuple[str, ...] = field(
        repr=False
    )  # the current one, then the previous one while rotating
    api_version: str
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    cache_redis_url: str = field(repr=False)
    bus_url: str = field(repr=False)
    event_secrets: tuple[str, ...] = field(repr=False)  # the first signs, all verify
    token_keys: tuple[str, ...] = field(repr=False)  # Fernet keys: the first encrypts, all decrypt
    shopify_url: str  # "https://{shop}"; the stand-in store in development
    admin_origins: tuple[str, ...]  # who may frame the app, besides the shop itself
    app_bridge_url: str
    polaris_url: str
    redis_is_durable: bool  # said of a Redis that does not tell how it is set up
    lane_rate_per_second: float
    lane_burst: int
    lane_max_length: int
    drain_batch: int
    consumer_batch: int
    database_pool_size: int
    sentry_dsn: str = field(repr=False)
    posthog_api_key: str = field(repr=False)
    metrics_token: str = field(repr=False)
    log_level: str
    process_slot: str  # tells processes of the same kind apart, the same after a restart

    @property
    def is_production(self) -> bool:
        return self.environment == "production"


def _split(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def development_secrets(directory: Path) -> dict[str, str]:
    """The secrets of this checkout, made on first use and kept in `secrets.json` under
    `directory`.
    """
    path = directory / "secrets.json"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        made = {
            "EVENT_SECRETS": secrets.token_urlsafe(32),
            "TOKEN_KEYS": urlsafe_b64encode(secrets.token_bytes(TOKEN_KEY_BYTES)).decode(),
        }
        fresh = path.with_name(f"secrets.{os.getpid()}.json")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(made))
        try:
            os.link(
                fresh, path
            )  # the first of several starting processes wins, all read the same file
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    loaded: dict[str, str] = json.loads(path.read_text())
    return loaded


class _Reader:
    """Reads settings and collects what is wrong with them, to say it all at once."""

    def __init__(self, env: dict[str, str], production: bool) -> None:
        self.env = env
        self.production = production
        self.missing: list[str] = []
        self.wrong: list[str] = []

    def need(self, name: str, development: str) -> str:
        value = self.env.get(name, "").strip(" ,")
        if value and not (self.production and DEVELOPMENT_SECRET in value):
            return value
        if self.production:
            self.missing.append(name)
        return development

    def number(self, name: str, default: N) -> N:
        try:
            value = type(default)(self.env.get(name) or default)
        except ValueError:
            value = type(default)(0)
        if value <= 0:
            self.wrong.append(f"{name} must be a number above 0")
        return value

    def refuse(self, unusable_keys: list[int]) -> None:
        """Raises MissingSettingsError when anything is missing or wrong."""
        said = list(self.wrong)
        if self.missing:
            said.append(
                "Holdfast cannot start in production without values of your own for: "
                + ", ".join(self.missing)
            )
        elif unusable_keys:
            which = ", ".join(map(str, unusable_keys))
            said.append(
                f"each of TOKEN_KEYS must be 32 bytes in URL-safe base64, but number {which} is not"
            )
        if said:
            raise MissingSettingsError("; ".join(said))


def _unusable(config: Config) -> list[int]:
    """Which of the token keys, counted from 1, Fernet would refuse, hours later, at the first
    installation.
    """
    found = []
    for at, key in enumerate(config.token_keys, 1):
        try:
            is_usable = len(urlsafe_b64decode(key)) == TOKEN_KEY_BYTES
        except ValueError:
            is_usable = False
        if not is_usable:
            found.append(at)
    return found


def load(environ: dict[str, str] | None = None) -> Config:
    """Read the environment (DESIGN §5).

    Raises MissingSettingsError naming every missing setting when HOLDFAST_ENV is `production`, and
    every setting that cannot be read; development fills the gaps with the defaults of the stand-in
    store.
    """
    env = dict(os.environ if environ is None else environ)
    environment = env.get("HOLDFAST_ENV") or "development"
    if environment not in {"development", "production"}:
        # a misspelt production would run with the secrets of development
        raise MissingSettingsError(
            f"HOLDFAST_ENV is {environment!r}; it must be development or production."
        )
    production = environment == "production"
    reader = _Reader(env, production)
    need, number = reader.need, reader.number
    made = (
        {}
        if production
        else development_secrets(Path(env.get("HOLDFAST_DATA", ROOT / ".holdfast")))
    )
    devstore_port = number("DEVSTORE_PORT", 8100)
    devstore = f"http://127.0.0.1:{devstore_port}"
    secret = need("SHOPIFY_API_SECRET", DEVELOPMENT_SECRET)
    previous = env.get("SHOPIFY_API_SECRET_PREVIOUS", "")
    redis_url = need("REDIS_URL", "redis://127.0.0.1:6379/0")
    config = Config(
        environment=environment,
        port=number("PORT", 8000),
        devstore_port=devstore_port,
        api_key=need("SHOPIFY_API_KEY", "dev-key"),
        api_secrets=(secret, *_split(previous)),
        api_version=env.get("SHOPIFY_API_VERSION", "2026-07"),
        database_url=need("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres"),
        redis_url=redis_url,
        cache_redis_url=env.get("CACHE_REDIS_URL", "") or redis_url,
        bus_url=env.get("BUS_URL", "") or redis_url,
        event_secrets=_split(need("EVENT_SECRETS", made.get("EVENT_SECRETS", ""))),
        token_keys=_split(need("TOKEN_KEYS", made.get("TOKEN_KEYS", ""))),
        shopify_url=env.get(
            "SHOPIFY_URL", "https://{shop}" if production else devstore + "/shops/{shop}"
        ),
        admin_origins=_split(
            env.get(
                "ADMIN_ORIGINS",
                "https://admin.shopify.com"
                if production
                else f"{devstore},http://localhost:{devstore_port}",
            )
        ),
        app_bridge_url=env.get(
            "APP_BRIDGE_URL",
            "https://cdn.shopify.com/shopifycloud/app-bridge.js"
            if production
            else f"{devstore}/app-bridge.js",
        ),
        polaris_url=env.get("POLARIS_URL", "https://cdn.shopify.com/shopifycloud/polaris.js"),
        redis_is_durable=env.get("REDIS_DURABLE", "").lower() in {"yes", "true", "1"},
        lane_rate_per_second=number("LANE_RATE_PER_SECOND", 5.0),
        lane_burst=number("LANE_BURST", 50),
        lane_max_length=number("LANE_MAX_LENGTH", 100_000),
        drain_batch=number("DRAIN_BATCH", 1000),
        consumer_batch=number("CONSUMER_BATCH", 1000),
        database_pool_size=number("DATABASE_POOL_SIZE", 10),
        sentry_dsn=env.get("SENTRY_DSN", ""),
        posthog_api_key=env.get("POSTHOG_API_KEY", ""),
        metrics_token=env.get("METRICS_TOKEN", ""),
        log_level=env.get("LOG_LEVEL", "INFO"),
        process_slot=env.get("PROCESS_SLOT", "") or env.get("DYNO", "") or "1",
    )
    if production and DEVELOPMENT_SECRET in previous:
        reader.missing.append(
            "SHOPIFY_API_SECRET_PREVIOUS"
        )  # everybody knows it, so it proves nothing
    reader.refuse(_unusable(config))
    return config
