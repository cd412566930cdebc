"""The operators' page of the flags: who may see and change it, and what it says."""

import re

import pytest

from app.flags import evaluation, store
from app.flags.known import FLAGS, POLARIS, REDEEMING

PATH = f"/operator/flags/{POLARIS.key}"
BY_OLGA = {"by": "Olga", "version": "0", "share": "10000", "enabled": "yes"}


@pytest.fixture(autouse=True)
def _known_to_nobody():
    evaluation.forget()
    yield
    evaluation.forget()


async def test_it_lists_every_flag_with_owner_age_and_use(http) -> None:
    page = await http.get("/operator/flags")
    assert page.status_code == 200
    for flag in FLAGS.values():
        assert f'id="{flag.key}"' in page.text
        assert flag.owner in page.text
    assert "days" in page.text
    assert "not in the last day" in page.text


async def test_what_is_saved_holds_at_once_and_says_who(http, alice) -> None:
    assert "<s-page" in (await alice.get("/")).text
    saved = await http.post(PATH, data={**BY_OLGA, "share": "0"})
    assert saved.status_code == 303
    assert "<s-page" not in (await alice.get("/")).text
    page = (await http.get("/operator/flags")).text
    assert re.search(r"Olga[\s\S]+?version 1", page)


async def test_a_second_tab_is_told_and_what_it_typed_is_still_there(http) -> None:
    await http.post(PATH, data=BY_OLGA)
    late = await http.post(PATH, data={**BY_OLGA, "share": "1234"})
    assert late.status_code == 409
    assert "Somebody else has changed this flag" in late.text
    assert 'value="1234"' in late.text
    assert (await store.setting(POLARIS.key)).share_in_10000 == 10_000


async def test_what_cannot_be_read_changes_nothing(http) -> None:
    for wrong in ({"share": "all"}, {"share": "10001"}, {"by": ""}, {"shops_on": "alice"}):
        assert (await http.post(PATH, data={**BY_OLGA, **wrong})).status_code == 400
    assert (await http.post("/operator/flags/nothing", data=BY_OLGA)).status_code == 404
    assert await store.read() == {}


async def test_strangers_and_other_sites_pages_are_not_let_in(http) -> None:
    elsewhere = {"origin": "https://charlie.example"}
    assert (await http.post(PATH, data=BY_OLGA, headers=elsewhere)).status_code == 401
    forwarded = {"x-forwarded-for": "203.0.113.9"}
    assert (await http.get("/operator/flags", headers=forwarded)).status_code == 401
    assert (await http.post(PATH, data=BY_OLGA, headers=forwarded)).status_code == 401
    own = {"origin": "http://app"}
    assert (await http.post(PATH, data=BY_OLGA, headers=own)).status_code == 303


async def test_with_postgres_away_it_says_so_and_shows_what_was_last_known(
    http, monkeypatch
) -> None:
    await http.post(f"/operator/flags/{REDEEMING.key}", data={**BY_OLGA, "enabled": ""})

    async def away():
        raise ConnectionError

    monkeypatch.setattr(store, "read", away)
    page = await http.get("/operator/flags")
    assert page.status_code == 200
    assert "Postgres does not answer" in page.text
    assert not evaluation.is_on(REDEEMING, "alice.myshopify.com")
