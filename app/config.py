"""Every setting, read once from the environment; a process refuses to start when one it needs
is missing.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from app import development, secret_files, usable

N = TypeVar("N", int, float)
ROOT = Path(__file__).resolve().parent.parent
DEVELOPMENT_SECRET = "dev-secret-dev-secret-dev-secret-1"  # noqa: S105 - refused in production
REDIS_SCHEMES = ("redis://", "rediss://", "unix://", "redis+sentinel://", "rediss+sentinel://")
CLUSTER_SCHEMES = ("redis+cluster://", "rediss+cluster://")

RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # it is a folder, a tag and a header


class MissingSettingsError(SystemExit):
    """Raised at boot; its text names all settings that are missing, not just the first."""


@dataclass(frozen=True, slots=True)
class Config:
    """All settings; secrets, and addresses that can hold a password, stay out of its repr."""

    environment: str
    host: str  # the address web listens on
    port: int
    devstore_port: int
    api_key: str
    api_secrets: tuple[str, ...] = field(repr=False)  # the current one, then the one before it
    api_version: str
    database_url: str = field(repr=False)
    database_read_url: str = field(repr=False)  # a replica, for what pages show
    replica_behind_seconds: float  # how far it may be behind for that
    database_roles: str  # begins the names of the roles that `release` makes; "": none
    redis_url: str = field(repr=False)  # the first of REDIS_URL: jobs, wakes, health, and lanes
    lane_redis_urls: tuple[str, ...] = field(repr=False)  # the others, for lanes alone
    cache_redis_url: str = field(repr=False)
    bus_url: str = field(repr=False)
    event_secrets: tuple[str, ...] = field(repr=False)  # the first signs, all verify
    token_keys: tuple[str, ...] = field(repr=False)  # Fernet keys: the first encrypts, all decrypt
    shopify_url: str  # "https://{shop}"; the stand-in store in development
    admin_origins: tuple[str, ...]  # who may frame the app, besides the shop itself
    app_bridge_url: str
    polaris_url: str
    redis_is_durable: bool  # said of a Redis that does not tell how it is set up
    program_starts_as: str  # draft until the merchant starts it; live where somebody tries it out
    lane_rate_per_second: float
    lane_burst: int
    lane_max_length: int
    drain_batch: int
    consumer_batch: int
    reconcile_every_seconds: float  # so often each shop is compared with Shopify
    webhooks_kept_days: int  # as they came, so that they can be translated again
    otlp_endpoint: str  # of the collector of traces; none are made without
    traces_share: float  # of all traces is recorded; errors always
    sentry_dsn: str = field(repr=False)
    posthog_api_key: str = field(repr=False)
    posthog_host: str
    posthog_opt_out: frozenset[str]  # shops nothing is told of; "all" of them
    metrics_token: str = field(repr=False)
    metrics_port: int  # of a worker that no web process can tell of; 0: none
    log_level: str
    data_folder: Path | None  # where the embedded servers keep their data; None in production
    process_slot: str  # tells processes of the same kind apart, the same after a restart
    drain_seconds: float  # web goes on for so long after SIGTERM, until no router sends any more
    release: str  # the name of this build, told in answers and logs
    launchdarkly_sdk_key: str = field(repr=False)
    launchdarkly_url: str  # of a relay of theirs; empty: theirs itself
    cell: str  # the one this process is of, and where shops live: see app.cells
    shop_cells: dict[str, str]

    @property
    def is_production(self) -> bool:
        return self.environment == "production"

    def take_secrets(self, fresh: "Config") -> list[str]:
        """Go on with the secrets of `fresh`, which everybody who holds this sees; what changed."""
        names = ("api_secrets", "event_secrets", "token_keys", "metrics_token")
        changed = [one for one in names if getattr(self, one) != getattr(fresh, one)]
        for name in changed:
            object.__setattr__(self, name, getattr(fresh, name))  # frozen for everybody else
        return changed


def _split(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


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

    def share(self, name: str, default: float) -> float:
        try:
            value = float(self.env.get(name) or default)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            self.wrong.append(f"{name} must be a share from 0 to 1")
        return value

    def refuse(self) -> None:
        """Raises MissingSettingsError when anything is missing or wrong."""
        said = list(self.wrong)
        if self.missing:
            said.append(
                "Holdfast cannot start in production without values of your own for: "
                + ", ".join(self.missing)
            )
        if said:
            raise MissingSettingsError("; ".join(said))


def _problems(config: Config) -> list[str]:
    """What is wrong, by the setting's name and never its value: noticed hours later, or never."""
    found = []
    for name, secrets_, is_usable, wanted in (
        ("TOKEN_KEYS", config.token_keys, usable.is_token_key, "32 bytes in URL-safe base64"),
        ("EVENT_SECRETS", config.event_secrets, usable.is_event_secret, usable.EVENT_SECRET_WANTED),
    ):
        bad = [str(at) for at, one in enumerate(secrets_, 1) if not is_usable(one)]
        if bad:
            found.append(f"each of {name} must be {wanted}, but number {', '.join(bad)} is not")
    if config.is_production:
        given = {
            "SHOPIFY_API_KEY": config.api_key,
            "SHOPIFY_API_SECRET": config.api_secrets[0],
            "SHOPIFY_API_SECRET_PREVIOUS": "".join(config.api_secrets[1:2]),
            "METRICS_TOKEN": config.metrics_token,
        }
        found += [
            f"{name} must have {usable.SECRET_BYTES_MIN} characters at least"
            for name, one in given.items()
            if one and len(one) < usable.SECRET_BYTES_MIN
        ]
    lanes_, cache = (config.redis_url, *config.lane_redis_urls), (config.cache_redis_url,)
    for name, urls, schemes in (
        ("REDIS_URL", lanes_, REDIS_SCHEMES),
        ("CACHE_REDIS_URL", cache, (*REDIS_SCHEMES, *CLUSTER_SCHEMES)),
    ):
        if not all(url.startswith(schemes) for url in urls):
            found.append(f"{name} must begin with one of {' '.join(schemes)}")
    if config.program_starts_as not in {"draft", "live"}:
        found.append("PROGRAM_STARTS_AS must be draft or live")
    if not RELEASE.fullmatch(config.release):
        found.append("RELEASE must have letters, digits, dots, dashes alone, 64 at most")
    if not all(config.shop_cells.values()):
        found.append("SHOP_CELLS must name shops and their cells, like alice.myshopify.com=2")
    if DEVELOPMENT_SECRET in config.api_secrets and not usable.is_loopback(config.host):
        found.append(
            "SHOPIFY_API_SECRET is the one everybody knows, which serves on this machine alone: "
            f"give it a value of your own, or leave HOST at 127.0.0.1 instead of {config.host}"
        )
    return found


def load(environ: dict[str, str] | None = None) -> Config:
    """Read the environment.

    Raises MissingSettingsError naming every missing setting when HOLDFAST_ENV is `production`, and
    every setting that cannot be read; development fills the gaps with the defaults of the stand-in
    store.
    """
    env, unread = secret_files.resolved(os.environ if environ is None else environ)
    environment = env.get("HOLDFAST_ENV") or "development"
    if environment not in {"development", "production"}:
        # a misspelt production would run with the secrets of development
        raise MissingSettingsError(
            f"HOLDFAST_ENV is {environment!r}; it must be development or production."
        )
    production = environment == "production"
    reader = _Reader(env, production)
    reader.wrong += unread
    need, number = reader.need, reader.number
    data = None if production else Path(env.get("HOLDFAST_DATA", ROOT / ".holdfast"))
    made = development.its_secrets(data) if data else {}
    devstore_port = number("DEVSTORE_PORT", 8100)
    devstore = f"http://127.0.0.1:{devstore_port}"
    secret = need("SHOPIFY_API_SECRET", DEVELOPMENT_SECRET)
    previous = env.get("SHOPIFY_API_SECRET_PREVIOUS", "")
    redis_url, *lane_redis_urls = need("REDIS_URL", "redis://127.0.0.1:6379/0").split()
    config = Config(
        environment=environment,
        host=env.get("HOST", "") or "127.0.0.1",
        port=number("PORT", 8000),
        devstore_port=devstore_port,
        api_key=need("SHOPIFY_API_KEY", "dev-key"),
        api_secrets=(secret, *_split(previous)),
        api_version=env.get("SHOPIFY_API_VERSION", "2026-07"),
        database_url=need("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres"),
        database_read_url=env.get("DATABASE_READ_URL", ""),
        replica_behind_seconds=number("REPLICA_BEHIND_SECONDS", 5.0),
        database_roles=env.get("DATABASE_ROLES", ""),
        redis_url=redis_url,
        lane_redis_urls=tuple(lane_redis_urls),
        cache_redis_url=env.get("CACHE_REDIS_URL", "") or redis_url,
        bus_url=env.get("BUS_URL", ""),
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
        program_starts_as=env.get("PROGRAM_STARTS_AS", "") or "draft",
        lane_rate_per_second=number("LANE_RATE_PER_SECOND", 5.0),
        lane_burst=number("LANE_BURST", 50),
        lane_max_length=number("LANE_MAX_LENGTH", 100_000),
        drain_batch=number("DRAIN_BATCH", 1000),
        consumer_batch=number("CONSUMER_BATCH", 1000),
        reconcile_every_seconds=number("RECONCILE_EVERY_SECONDS", 6 * 3600.0),
        webhooks_kept_days=number("WEBHOOKS_KEPT_DAYS", 7),
        otlp_endpoint=env.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        traces_share=reader.share("OTEL_TRACES_SAMPLER_ARG", 0.05),
        sentry_dsn=env.get("SENTRY_DSN", ""),
        posthog_api_key=env.get("POSTHOG_API_KEY", ""),
        posthog_host=env.get("POSTHOG_HOST", "") or "https://us.i.posthog.com",
        posthog_opt_out=frozenset(_split(env.get("POSTHOG_OPT_OUT", ""))),
        metrics_token=env.get("METRICS_TOKEN", ""),
        metrics_port=number("METRICS_PORT", 1) if env.get("METRICS_PORT") else 0,
        log_level=env.get("LOG_LEVEL", "INFO"),
        data_folder=data,
        process_slot=env.get("PROCESS_SLOT", "") or env.get("DYNO", "") or "1",
        drain_seconds=number("DRAIN_SECONDS", 0.01),
        release=env.get("RELEASE", "") or env.get("HEROKU_RELEASE_VERSION", "") or "unnamed",
        launchdarkly_sdk_key=env.get("LAUNCHDARKLY_SDK_KEY", ""),
        launchdarkly_url=env.get("LAUNCHDARKLY_URL", ""),
        cell=env.get("HOLDFAST_CELL", "") or "1",
        shop_cells=dict(one.partition("=")[::2] for one in _split(env.get("SHOP_CELLS", ""))),
    )
    if production and DEVELOPMENT_SECRET in previous:  # everybody knows it: it proves nothing
        reader.missing.append("SHOPIFY_API_SECRET_PREVIOUS")
    if not reader.missing:  # the defaults that stand in for what is missing are not to blame
        reader.wrong += _problems(config)
    reader.refuse()
    return config
