"""What a flag is at this moment: as the table says, as it said last, and never an error."""

import time

import pytest
from ld_openfeature import LaunchDarklyProvider
from ldclient import Config
from ldclient.integrations.test_data import TestData
from openfeature import api

from app import db
from app.errors import BadInputError, ConflictError, NotFoundError
from app.flags import evaluation, launchdarkly, store
from app.flags.known import BORROWING, POLARIS, REDEEMING, Setting
from app.flags.providers import First
from local import servers

ALICE, BOBS = "alice.myshopify.com", "bobs.myshopify.com"


@pytest.fixture(autouse=True)
async def _begun(stores: db.Stores):
    evaluation.forget()
    await evaluation.begin(stores)
    yield
    evaluation.forget()
    api.clear_providers()


async def change(key: str, *, enabled: bool = True, share: int = 10_000, version: int = 0, **lists):
    named = {name: frozenset(shops) for name, shops in lists.items()}
    await store.change(Setting(key, enabled, share, version=version, **named), "Olga")
    await evaluation.poll()


async def test_it_is_what_the_table_says_by_shop_and_at_once_after_a_look() -> None:
    assert evaluation.is_on(POLARIS, ALICE)
    await change(POLARIS.key, share=0, shops_on=[BOBS])
    assert not evaluation.is_on(POLARIS, ALICE)
    assert evaluation.is_on(POLARIS, BOBS)
    await change(POLARIS.key, enabled=False, version=1)
    assert not evaluation.is_on(POLARIS, BOBS)
    assert evaluation.is_on(BORROWING)


async def test_with_postgres_away_what_was_known_last_holds(monkeypatch) -> None:
    await change(REDEEMING.key, enabled=False)

    async def away():
        raise ConnectionError

    monkeypatch.setattr(store, "read", away)
    assert not await evaluation.poll()
    assert not evaluation.is_on(REDEEMING, ALICE)
    age = evaluation.age_seconds()
    assert age is not None
    assert age >= 0


@pytest.mark.hangs
async def test_a_start_waits_half_a_second_at_most_for_a_postgres_that_is_silent(
    stores: db.Stores, monkeypatch
) -> None:
    async def silent():
        await evaluation.pause(60, evaluation.asyncio.Event())

    monkeypatch.setattr(store, "read", silent)
    began = time.monotonic()
    await evaluation.begin(stores)
    assert time.monotonic() - began < 15
    assert evaluation.is_on(REDEEMING, ALICE)


async def test_a_provider_that_fails_is_no_error_of_whoever_asks(monkeypatch) -> None:
    monkeypatch.setattr(evaluation.table, "resolve_boolean_details", lambda **_: 1 / 0)
    assert evaluation.is_on(REDEEMING, ALICE)


async def test_of_two_tabs_the_second_is_told_and_every_change_is_noted() -> None:
    await change(POLARIS.key, share=500)
    with pytest.raises(ConflictError):
        await change(POLARIS.key, share=900)
    await change(POLARIS.key, share=700, version=1)
    with pytest.raises(ConflictError):
        await change(POLARIS.key, share=0, version=1)
    assert (await store.setting(POLARIS.key)).share_in_10000 == 700
    noted = await store.changes()
    assert [(one.key, one.version, one.changed_by) for one in noted] == [
        (POLARIS.key, 2, "Olga"),
        (POLARIS.key, 1, "Olga"),
    ]


async def test_what_makes_no_sense_is_refused() -> None:
    for wrong in (
        Setting(POLARIS.key, True, 10_001),
        Setting(POLARIS.key, True, 0, frozenset({"no shop"})),
        Setting(POLARIS.key, True, 0, frozenset({ALICE}), frozenset({ALICE})),
        Setting(POLARIS.key, True, 0, frozenset(f"s{n}.myshopify.com" for n in range(501))),
    ):
        with pytest.raises(BadInputError):
            await store.change(wrong, "Olga")
    with pytest.raises(BadInputError):
        await store.change(Setting(POLARIS.key, True, 0), "")
    with pytest.raises(NotFoundError):
        await store.change(Setting("nothing", True, 0), "Olga")


async def test_it_is_told_which_flags_are_asked_for(stores: db.Stores) -> None:
    evaluation.is_on(POLARIS, ALICE)
    await evaluation._tell_used(stores)
    found = await evaluation.last_used(stores)
    assert set(found) == {POLARIS.key}
    assert time.time() - found[POLARIS.key] < 60
    assert 0 < await stores.cache.ttl(evaluation.USED_KEY) <= evaluation.USED_KEPT_SECONDS


async def test_asking_again_costs_next_to_nothing() -> None:
    evaluation.is_on(BORROWING)
    each = 1.0
    for _ in range(50):  # the best of them, on a machine with much to do
        began = time.perf_counter()
        for _ in range(2_000):
            evaluation.is_on(BORROWING)
        each = min(each, (time.perf_counter() - began) / 2_000)
    print(f"{each * 1e6:.2f} µs a look")
    assert each < 5e-6


# LaunchDarkly


async def test_launchdarkly_comes_first_but_not_before_what_our_operators_have_switched_off() -> (
    None
):
    data = TestData.data_source()
    data.update(data.flag(POLARIS.key).variation_for_all(False))
    theirs = LaunchDarklyProvider(
        Config("a-key", update_processor_class=data, send_events=False), 1
    )
    api.set_provider_and_wait(First(theirs, evaluation.table))
    assert not evaluation.is_on(POLARIS, ALICE)
    assert evaluation.is_on(BORROWING), "they do not know it: the table says"
    data.update(data.flag(POLARIS.key).variation_for_all(True))
    assert not evaluation.is_on(POLARIS, ALICE), "until the next look"
    await evaluation.poll()
    assert evaluation.is_on(POLARIS, ALICE)
    await change(POLARIS.key, enabled=False)
    assert not evaluation.is_on(POLARIS, ALICE)


async def test_with_launchdarkly_away_nobody_waits_and_the_table_says() -> None:
    nowhere = f"http://127.0.0.1:{servers.free_port()}"
    await change(POLARIS.key, share=0)
    began = time.monotonic()
    thread = launchdarkly.come_first("a-key", nowhere, evaluation.table)
    assert time.monotonic() - began < 5
    assert not evaluation.is_on(POLARIS, ALICE)
    assert evaluation.is_on(REDEEMING, ALICE)
    thread.join(20)  # it has given up waiting for them, and comes first from now on
    assert isinstance(api.provider_registry.get_default_provider(), First)
    await evaluation.poll()
    assert not evaluation.is_on(POLARIS, ALICE)
    assert evaluation.is_on(REDEEMING, ALICE)
