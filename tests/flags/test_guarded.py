"""Each flag really switches off what it guards, and nothing else."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from app import db
from app.flags import evaluation
from app.flags.known import (
    BORROWING,
    MANY_CHANGED,
    REDEEMING,
    RETRANSLATION,
    SHORT_WAY,
    Flag,
    default,
)
from app.flow.kept import retranslation, runs
from app.flow.lanes import ingest
from app.points.ledger import bulk
from app.points.members.filters import Wanted
from app.short_way import PATH, ShortWay
from tests.points.pages.test_filters import members
from tests.points.world import ALICE, figures
from tests.storefront.callers import proxied
from tests.web_app import all_beat, fresh_process, running_programs
from workers import retranslate


@pytest.fixture(autouse=True)
def _as_built() -> Iterator[None]:
    fresh_process()
    evaluation.forget()
    yield
    evaluation.forget()


def switch(flag: Flag, *, on: bool) -> None:
    evaluation.table.settings = {flag.key: default(flag)._replace(is_enabled=on)}
    evaluation._remembered.clear()


async def test_lanes_borrow_nothing_while_that_is_off(stores: db.Stores) -> None:
    await all_beat(stores)
    assert await ingest._may_borrow(stores)
    switch(BORROWING, on=False)
    assert not await ingest._may_borrow(stores)


def test_webhooks_take_the_long_way_while_the_short_one_is_off() -> None:
    parser = SimpleNamespace(
        get_method=lambda: b"POST", get_http_version=lambda: "1.1", should_upgrade=lambda: False
    )
    protocol: Any = SimpleNamespace(
        url=PATH,
        parser=parser,
        expect_100_continue=False,
        flow=SimpleNamespace(write_paused=False),
        cycle=None,
        app_state={"admission": None},
    )
    assert ShortWay._may_be_short(protocol)
    switch(SHORT_WAY, on=False)
    assert not ShortWay._may_be_short(protocol)


async def test_shoppers_are_told_to_come_back_while_redeeming_is_off(stores: db.Stores) -> None:
    body = {"reward_id": "1", "idempotency_key": str(uuid.uuid4())}
    async with running_programs(stores, ALICE) as http:
        switch(REDEEMING, on=False)
        closed = await http.post(proxied("/storefront/redemptions"), json=body)
        assert closed.status_code == 503
        assert closed.json()["error"]["code"] == "redeeming_closed"
        assert (await http.get(proxied("/storefront/me"))).status_code == 200
        switch(REDEEMING, on=True)
        opened = await http.post(proxied("/storefront/redemptions"), json=body)
        assert opened.json()["error"]["code"] != "redeeming_closed"


async def test_a_change_for_many_stands_still_while_that_is_off_and_goes_on_later(
    stores: db.Stores,
) -> None:
    async with running_programs(stores, ALICE):
        await members(2)
        await bulk.ask(ALICE, Wanted(), 5, "Ten years of Alice's", str(uuid.uuid4()), "Olga")
        switch(MANY_CHANGED, on=False)
        assert await bulk.go_on() == 0
        assert (await figures("7100"))["available"] == 1
        switch(MANY_CHANGED, on=True)
        while await bulk.go_on():
            pass
        assert (await figures("7100"))["available"] == 6


async def test_nothing_more_is_told_again_while_that_is_off(monkeypatch) -> None:
    told = []

    async def walk(*_: object) -> AsyncIterator[Any]:
        for place in range(3):
            yield SimpleNamespace(rows=1, events=[], place=SimpleNamespace(row=place + 1))

    async def run(_: int) -> Any:
        return SimpleNamespace(window=SimpleNamespace(shop=""), place=None, told=0)

    async def is_begun(_: int) -> bool:
        return True

    async def tell_one(_: int, __: object, one: Any) -> bool:
        told.append(one.place.row)
        switch(RETRANSLATION, on=False)
        return True

    monkeypatch.setattr(retranslation, "walk", walk)
    monkeypatch.setattr(runs, "load", run)
    monkeypatch.setattr(runs, "begin_telling", is_begun)
    monkeypatch.setattr(retranslate, "_tell_one", tell_one)
    with pytest.raises(retranslate.Interrupted):
        await retranslate.tell(1, retranslate.Pace(0, asyncio.Event()))
    assert told == [1]
