"""Secrets from files, and new ones taken over while the process runs."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from app import config as settings
from app import db, rotation, secret_files
from app.flow import event
from app.flow.bus import consumer
from app.flow.bus import log as fact_log
from app.flow.bus.buses import open_bus
from tests.test_config import COMPLETE, FIRST_KEY, SECOND_KEY
from tests.web_app import open_app
from tests.webhook import signed_headers

OLD, NEW, OTHER = (f"a secret of {word} and more letters" for word in ("one", "two", "ten"))


def written(folder: Path, **secrets: str) -> dict[str, str]:
    """Files with these secrets, and the settings that name them."""
    for name, value in secrets.items():
        (folder / name).write_text(value)
    return {f"{name}_FILE": str(folder / name) for name in secrets}


def test_each_secret_can_stand_in_a_file_a_line_for_each(tmp_path: Path) -> None:
    env = {name: value for name, value in COMPLETE.items() if name == "HOLDFAST_ENV"}
    secrets = {name: value for name, value in COMPLETE.items() if name not in env}
    key = secrets.pop("SHOPIFY_API_KEY")
    secrets["TOKEN_KEYS"] = f"{FIRST_KEY}\n{SECOND_KEY}\n"
    secrets["METRICS_TOKEN"] = " a token of enough letters \n"
    config = settings.load({**env, "SHOPIFY_API_KEY": key, **written(tmp_path, **secrets)})
    assert config.token_keys == (FIRST_KEY, SECOND_KEY)
    assert config.metrics_token == "a token of enough letters"
    assert config.database_url == COMPLETE["DATABASE_URL"]
    assert config.api_secrets == (COMPLETE["SHOPIFY_API_SECRET"],)


@pytest.mark.parametrize("name", ["SHOPIFY_API_SECRET", "DATABASE_URL", "REDIS_URL"])
def test_a_file_that_cannot_be_read_is_said_by_its_setting(name: str, tmp_path: Path) -> None:
    env = {key: value for key, value in COMPLETE.items() if key != name}
    with pytest.raises(settings.MissingSettingsError, match=f"{name}_FILE cannot be read"):
        settings.load({**env, f"{name}_FILE": str(tmp_path / "nowhere")})


def test_a_secret_given_twice_is_refused_without_being_told(tmp_path: Path) -> None:
    files = written(tmp_path, SHOPIFY_API_SECRET=NEW)
    with pytest.raises(settings.MissingSettingsError) as refused:
        settings.load({**COMPLETE, **files})
    assert "SHOPIFY_API_SECRET and SHOPIFY_API_SECRET_FILE" in str(refused.value)
    assert NEW not in str(refused.value)


def test_a_changed_file_is_seen_and_so_is_a_link_that_leads_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    written(tmp_path / "one", METRICS_TOKEN=OLD)
    written(tmp_path / "two", METRICS_TOKEN=OLD)
    link = tmp_path / "now"
    link.symlink_to(tmp_path / "one")
    env = {"METRICS_TOKEN_FILE": str(link / "METRICS_TOKEN")}
    first = secret_files.mark(env)
    assert secret_files.mark(env) == first
    link.unlink()
    link.symlink_to(tmp_path / "two")
    second = secret_files.mark(env)
    assert second != first
    (tmp_path / "two" / "METRICS_TOKEN").write_text(NEW)
    assert secret_files.mark(env) not in {first, second}
    assert secret_files.mark({"METRICS_TOKEN_FILE": str(tmp_path / "away")}) == ()


@pytest.fixture
def rotating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stores: db.Stores):
    """Settings of a process that reads its secrets from files, with OLD in all of them."""
    monkeypatch.setattr(rotation, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(rotation, "EVERYBODY_LOOKED_SECONDS", 0.3)
    for name in secret_files.ROTATED:
        monkeypatch.delenv(name, raising=False)
    files = written(
        tmp_path,
        SHOPIFY_API_SECRET=OLD,
        SHOPIFY_API_SECRET_PREVIOUS="",
        EVENT_SECRETS=OLD,
        TOKEN_KEYS=FIRST_KEY,
        METRICS_TOKEN=OLD,
    )
    for name, path in files.items():
        monkeypatch.setenv(name, path)
    yield settings.load()
    rotation.use(stores.config)


async def eventually(is_so, what: str) -> None:
    for _ in range(200):
        if is_so():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(what)


async def test_a_webhook_signed_with_the_new_secret_is_taken_within_seconds_and_the_old_one_too(
    rotating: settings.Config, stores: db.Stores, tmp_path: Path
) -> None:
    watching = asyncio.create_task(rotation.watch(rotating))
    try:
        async with open_app(rotating, replace(stores, config=rotating)) as http:

            async def answer(secret: str) -> int:
                headers = signed_headers(b"{}", "orders/paid", "alice.myshopify.com", secret)
                return (await http.post("/webhooks", content=b"{}", headers=headers)).status_code

            async def scraped(token: str) -> int:
                headers = {"Authorization": f"Bearer {token}"}
                return (await http.get("/metrics", headers=headers)).status_code

            assert (await answer(OLD), await answer(NEW)) == (200, 401)
            assert (await scraped(OLD), await scraped(NEW)) == (200, 401)
            written(
                tmp_path,
                SHOPIFY_API_SECRET_PREVIOUS=OLD,
                SHOPIFY_API_SECRET=NEW,
                METRICS_TOKEN=NEW,
            )
            await eventually(lambda: rotating.api_secrets == (NEW, OLD), "not taken over")
            assert (await answer(NEW), await answer(OLD), await answer(OTHER)) == (200, 200, 401)
            assert (await scraped(NEW), await scraped(OLD)) == (200, 401)
            written(tmp_path, SHOPIFY_API_SECRET_PREVIOUS="")
            await eventually(lambda: rotating.api_secrets == (NEW,), "still there")
            assert await answer(OLD) == 401
    finally:
        watching.cancel()


async def test_the_new_event_secret_verifies_at_once_and_signs_once_everybody_has_looked(
    rotating: settings.Config, stores: db.Stores, tmp_path: Path
) -> None:
    rotation.use(rotating)
    handled: list[str] = []

    async def handle(_connection, events) -> None:
        handled.extend(one.id for one in events)

    async def told() -> None:
        made = event.new("order.paid", "alice.myshopify.com", "alice.myshopify.com", {}, trace="t")
        async with db.transaction() as connection:
            await fact_log.append(connection, [made])

    watching = asyncio.create_task(rotation.watch(rotating))
    try:
        await told()
        written(tmp_path, EVENT_SECRETS=f"{NEW}\n{OLD}", TOKEN_KEYS=f"{SECOND_KEY}\n{FIRST_KEY}")
        await eventually(lambda: NEW in rotating.event_secrets, "not taken over")
        assert rotating.event_secrets == (OLD, NEW), "others may not know the new one yet"
        assert rotating.token_keys == (FIRST_KEY, SECOND_KEY)
        await told()
        await eventually(lambda: rotating.event_secrets == (NEW, OLD), "never signs")
        assert event._signing == [NEW]
        assert rotating.token_keys == (SECOND_KEY, FIRST_KEY)
        await told()
    finally:
        watching.cancel()
    rotated = replace(stores, config=rotating)
    bus = open_bus(replace(stores.config, bus_url=""))
    await consumer.run_once("points", ["order.paid"], handle, bus, rotated)
    assert len(handled) == 3, "signed before, meanwhile and after"


async def test_secrets_that_cannot_be_used_change_nothing(
    rotating: settings.Config, tmp_path: Path
) -> None:
    written(tmp_path, TOKEN_KEYS="no key at all", SHOPIFY_API_SECRET=NEW)
    rotation.follow(rotating)
    assert (rotating.token_keys, rotating.api_secrets) == ((FIRST_KEY,), (OLD,))
    (tmp_path / "TOKEN_KEYS").unlink()
    rotation.follow(rotating)
    assert rotating.token_keys == (FIRST_KEY,)
    assert os.environ["TOKEN_KEYS_FILE"]
