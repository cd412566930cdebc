"""Settings: all that is missing is named at once, and what belongs to development stays there."""

from dataclasses import replace
from pathlib import Path

import pytest

from app import config as settings

FIRST_KEY, SECOND_KEY = (
    "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "MTEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
)
NEW_SECRET, OLD_SECRET = "a new event secret", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
COMPLETE = {
    "HOLDFAST_ENV": "production",
    "SHOPIFY_API_KEY": "the key of the app",
    "SHOPIFY_API_SECRET": "a production secret",
    "DATABASE_URL": "postgres://holdfast:secret@db/holdfast",
    "REDIS_URL": "redis://queue/0",
    "EVENT_SECRETS": f"{NEW_SECRET},{OLD_SECRET}",
    "TOKEN_KEYS": f"{FIRST_KEY}, {SECOND_KEY}",
}
NEEDED = sorted(set(COMPLETE) - {"HOLDFAST_ENV"})


def test_production_names_everything_that_is_missing() -> None:
    with pytest.raises(settings.MissingSettingsError) as refused:
        settings.load({"HOLDFAST_ENV": "production"})
    for name in NEEDED:
        assert name in str(refused.value)


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("value", [None, "", "  ", " , "])
def test_each_needed_setting_is_missed_also_when_it_is_empty(name: str, value: str | None) -> None:
    environment = {key: given for key, given in COMPLETE.items() if key != name}
    if value is not None:
        environment[name] = value
    with pytest.raises(settings.MissingSettingsError) as refused:
        settings.load(environment)
    assert str(refused.value).endswith(f": {name}")


def test_production_refuses_the_secret_of_development() -> None:
    for name in ("SHOPIFY_API_SECRET", "SHOPIFY_API_SECRET_PREVIOUS"):
        with pytest.raises(settings.MissingSettingsError, match=name):
            settings.load({**COMPLETE, name: settings.DEVELOPMENT_SECRET})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHOPIFY_API_KEY", "dev-key"),
        ("SHOPIFY_API_SECRET", "short"),
        ("SHOPIFY_API_SECRET_PREVIOUS", "short"),
        ("METRICS_TOKEN", "short"),
        ("EVENT_SECRETS", "short"),
        ("EVENT_SECRETS", f"{NEW_SECRET},short"),
        ("EVENT_SECRETS", "whsec_"),
        ("EVENT_SECRETS", "whsec_c2hvcnQ="),
        ("EVENT_SECRETS", "whsec_this is no base64, is it"),
        ("EVENT_SECRETS", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI"),
        ("TOKEN_KEYS", "short"),
    ],
)
def test_production_refuses_a_secret_that_is_short_or_broken_and_does_not_repeat_it(
    name: str, value: str
) -> None:
    with pytest.raises(settings.MissingSettingsError, match=name) as refused:
        settings.load({**COMPLETE, name: value})
    assert "short" not in str(refused.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "shop.example", "localhost.evil"])
def test_the_secret_everybody_knows_serves_on_the_loopback_alone(host: str, tmp_path: Path) -> None:
    environment = {"HOLDFAST_DATA": str(tmp_path), "HOST": host}
    with pytest.raises(settings.MissingSettingsError, match="SHOPIFY_API_SECRET"):
        settings.load(environment)
    own = {**environment, "SHOPIFY_API_SECRET": "a secret of my own"}
    assert settings.load(own).host == host
    with pytest.raises(settings.MissingSettingsError, match="SHOPIFY_API_SECRET"):
        settings.load({**own, "SHOPIFY_API_SECRET_PREVIOUS": settings.DEVELOPMENT_SECRET})


@pytest.mark.parametrize("host", ["", "127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_on_the_loopback_development_needs_no_secret(host: str, tmp_path: Path) -> None:
    config = settings.load({"HOLDFAST_DATA": str(tmp_path), "HOST": host})
    assert config.host == (host or "127.0.0.1")


def test_the_data_of_an_earlier_release_becomes_its_owners_alone(tmp_path: Path) -> None:
    data = tmp_path / "holdfast"
    (data / "logs").mkdir(parents=True)
    (data / "logs" / "web.log").touch()
    (data / "devstore.sqlite3").touch(0o644)
    (data / "elsewhere").symlink_to(tmp_path / "shared")
    (tmp_path / "shared").mkdir(0o755)
    data.chmod(0o755)
    for _ in range(2):
        settings.load({"HOLDFAST_DATA": str(data)})
        modes = {path.name: path.stat().st_mode & 0o777 for path in (data, *data.iterdir())}
        assert modes["holdfast"] & 0o066 == 0, "nobody else can list it or write to it"
        assert modes["logs"] == 0o700
        assert modes["devstore.sqlite3"] == modes["secrets.json"] == 0o600
        assert modes["elsewhere"] == 0o755, "what is linked is not ours to close"


def test_a_new_folder_is_its_owners_alone(tmp_path: Path) -> None:
    settings.load({"HOLDFAST_DATA": str(tmp_path / "holdfast")})
    assert (tmp_path / "holdfast").stat().st_mode & 0o777 == 0o700


def test_refusing_ends_the_process_with_the_sentence_and_no_traceback() -> None:
    assert issubclass(settings.MissingSettingsError, SystemExit)


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "http"), ("LANE_BURST", "many"), ("LANE_RATE_PER_SECOND", "0")]
)
def test_a_number_that_is_none_gets_a_sentence(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=name):
        settings.load({"HOLDFAST_DATA": str(tmp_path), name: value})


def test_a_key_that_could_not_encrypt_is_found_at_the_start() -> None:
    with pytest.raises(SystemExit, match=r"TOKEN_KEYS.*number 2 is not"):
        settings.load({**COMPLETE, "TOKEN_KEYS": f"{FIRST_KEY},not a key"})


def test_a_setting_that_is_there_but_empty_is_the_default(tmp_path: Path) -> None:
    config = settings.load({"HOLDFAST_DATA": str(tmp_path), "PORT": "", "HOLDFAST_ENV": ""})
    assert (config.port, config.environment) == (8000, "development")


def test_a_mistyped_environment_does_not_pass_for_development(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="HOLDFAST_ENV"):
        settings.load({"HOLDFAST_ENV": "prod", "HOLDFAST_DATA": str(tmp_path)})


def test_lists_are_split_and_the_first_is_the_current_one() -> None:
    config = settings.load({**COMPLETE, "SHOPIFY_API_SECRET_PREVIOUS": "the one before it"})
    assert config.is_production
    assert config.event_secrets == (NEW_SECRET, OLD_SECRET)
    assert config.token_keys == (FIRST_KEY, SECOND_KEY)
    assert config.api_secrets == ("a production secret", "the one before it")


def test_one_redis_is_enough_and_three_are_possible() -> None:
    one = settings.load(COMPLETE)
    assert (one.cache_redis_url, one.bus_url) == ("redis://queue/0", "")
    three = settings.load(
        {**COMPLETE, "CACHE_REDIS_URL": "redis://cache/0", "BUS_URL": "redis://bus/0"}
    )
    assert (three.redis_url, three.cache_redis_url, three.bus_url) == (
        "redis://queue/0",
        "redis://cache/0",
        "redis://bus/0",
    )


def test_production_talks_to_shopify_and_never_to_the_stand_in() -> None:
    config = settings.load(COMPLETE)
    assert config.shopify_url == "https://{shop}"
    assert "127.0.0.1" not in " ".join(
        (config.app_bridge_url, config.polaris_url, *config.admin_origins)
    )


def test_development_makes_its_secrets_once_and_keeps_them(tmp_path: Path) -> None:
    first, second = (settings.load({"HOLDFAST_DATA": str(tmp_path)}) for _ in range(2))
    assert first.event_secrets == second.event_secrets
    assert first.token_keys == second.token_keys
    assert (tmp_path / "secrets.json").stat().st_mode & 0o077 == 0, (
        "others on the machine may not read it"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.json"]


def test_settings_never_change_after_they_were_read() -> None:
    config = settings.load(COMPLETE)
    with pytest.raises(AttributeError):
        config.port = 1  # type: ignore[misc] # that is the point
    assert replace(config, port=1).port == 1


def test_nothing_secret_is_in_the_settings_as_text() -> None:
    environment = {
        **COMPLETE,
        "SHOPIFY_API_SECRET_PREVIOUS": "an earlier secret",
        "CACHE_REDIS_URL": "redis://:secret@cache/0",
        "BUS_URL": "redis://:secret@bus/0",
        "SENTRY_DSN": "https://secret@sentry/1",
        "POSTHOG_API_KEY": "phc_secret",
        "METRICS_TOKEN": "secret of the scraper",
    }
    text = repr(settings.load(environment))
    assert "secret" not in text
    assert not any(value in text for value in (FIRST_KEY, SECOND_KEY, OLD_SECRET[6:]))
