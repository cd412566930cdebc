"""A programme that is draft, live or paused: what orders earn, what can be spent, what is said."""

from dataclasses import replace

import pytest

from app import config as settings
from app import db
from app.core.looks import actions as looks
from app.core.looks.views import Look
from app.errors import RefusedError
from app.points import handlers
from app.points.earning import actions as earning
from app.points.members import reads
from app.points.panels import shopper
from app.points.rewards import actions as rewards
from tests.admin.staff import Staff, buys, text
from tests.points import world
from tests.points.world import ALICE, BOB, figures, line, paid, program, refunded
from tests.web_app import open_app


def test_installing_starts_as_draft_unless_somebody_tries_it_out() -> None:
    assert settings.load({}).program_starts_as == "draft"
    assert settings.load({"PROGRAM_STARTS_AS": "live"}).program_starts_as == "live"
    with pytest.raises(SystemExit, match="PROGRAM_STARTS_AS"):
        settings.load({"PROGRAM_STARTS_AS": "paused"})


@pytest.mark.parametrize("state", ["draft", "paused"])
@pytest.mark.usefixtures("stores")
async def test_an_order_is_kept_with_its_reason_and_earns_nothing_also_later(state: str) -> None:
    await program(state=state)
    await world.handle(paid("1", line("50.00", 1, "l1")))
    assert await world.one("SELECT outcome FROM grants WHERE source = 'order:1'") == state
    await program(state="live")
    await world.handle(paid("1", line("50.00", 1, "l1")), refunded("1", "77", {"l1": 1}))
    assert await figures() == {}
    await world.handle(paid("2", line("20.00")))
    assert await figures() == {"available": 20}


@pytest.mark.usefixtures("stores")
async def test_a_refund_of_what_was_earned_before_counts_while_paused() -> None:
    await program(state="live")
    await world.handle(paid("1", line("50.00", 2, "l1")))
    await program(state="paused")
    await world.handle(refunded("1", "77", {"l1": 1}))
    assert await figures() == {"available": 25, "reversed": 25}


@pytest.mark.parametrize("state", ["draft", "paused"])
@pytest.mark.usefixtures("stores")
async def test_rewards_cannot_be_used_while_it_is_not_live(state: str) -> None:
    await earning.ensure_program(ALICE, "USD", "UTC")
    await world.handle(paid("1", line("150.00")))
    reward = (await reads.rewards(ALICE))[0].id
    await program(state=state)
    with pytest.raises(RefusedError) as refused:
        await rewards.redeem(ALICE, BOB, reward, "a long key", "r")
    assert refused.value.code == "program_not_live"
    assert await figures() == {"available": 150}
    await program(state="live")
    assert (await rewards.redeem(ALICE, BOB, reward, "a long key", "r")).state == "held"


@pytest.mark.usefixtures("stores")
async def test_a_state_is_a_version_of_the_rules_and_a_draft_is_none_again() -> None:
    await earning.ensure_program(ALICE, "USD", "UTC", "draft")
    assert (await reads.program(ALICE)).state == "draft"
    with pytest.raises(RefusedError):
        await earning.set_state(ALICE, "paused", "42")
    for state in ("live", "live", "paused", "live"):
        assert (await earning.set_state(ALICE, state, "42")).state == state
    with pytest.raises(RefusedError):
        await earning.set_state(ALICE, "draft", "42")
    await earning.edit_program(ALICE, {"rate": "2"}, "43")
    told = [(one.version, one.state, one.edited_by) for one in await reads.program_versions(ALICE)]
    assert told == [
        (5, "live", "43"),
        (4, "live", "42"),
        (3, "paused", "42"),
        (2, "live", "42"),
        (1, "draft", "Holdfast"),
    ]


@pytest.fixture
async def new_alice(http, config: settings.Config, stores: db.Stores):
    """Alice in a shop that is set up as for a merchant, and not as for a trial."""
    fresh = replace(stores, config=replace(config, program_starts_as="draft"))
    async with open_app(fresh.config, fresh) as asking:
        yield Staff(asking, config, ALICE)


async def test_a_new_shop_is_led_from_draft_to_its_first_points(new_alice) -> None:
    await new_alice.get("/")
    seen = text(await new_alice.get("/"))
    assert "Set up your program" in seen
    assert "The program has not started yet" in seen
    assert "Orders become points" not in seen
    assert "1 of 6 done" in seen, "there are rewards from the start"
    program_page = text(await new_alice.get("/program"))
    assert "Draft Orders are recorded and earn nothing" in program_page
    assert "Preview as a shopper" in program_page
    await buys("7002", "Early Bird")
    assert await figures("7002") == {}
    started = await new_alice.post("/program/state", state="live")
    assert "Live Orders earn points" in text(started)
    assert "3 of 6 done" in text(await new_alice.get("/"))
    await buys()
    assert await figures() == {"available": 49}
    assert "4 of 6 done" in text(await new_alice.get("/"))
    await looks.save_look(ALICE, Look(), "Alice", 0)
    await looks.note_seen(ALICE)
    assert "Set up your program" not in text(await new_alice.get("/"))
    assert (await new_alice.post("/program/state", state="draft")).status_code == 422


async def test_installing_by_the_fact_alone_starts_a_draft_too(
    stores: db.Stores, config: settings.Config
) -> None:
    fresh = replace(stores, config=replace(config, program_starts_as="draft"))
    told = {"currency": "EUR", "timezone": "Europe/Berlin", "name": "Alice's"}
    async with db.transaction() as conn:
        await handlers.handle(conn, [world.fact("shop.installed", told)], fresh)
    assert (await reads.program(ALICE)).state == "draft"


async def test_home_and_shoppers_are_told_of_a_pause(alice, stores: db.Stores) -> None:
    await alice.get("/")
    await buys()
    await alice.post("/program/state", state="paused")
    assert "The program is paused" in text(await alice.get("/"))
    shopper.forget()
    await stores.cache.flushall()
    me = await shopper.me(stores, Caller(ALICE, BOB))
    assert (me["rewards"], me["ways_to_earn"]) == ([], [])
    assert shopper.PAUSED in me["notices"]
    assert me["points"]["available"] == 49
    stranger = await shopper.me(stores, Caller(ALICE, None))
    assert stranger["notices"] == [shopper.PAUSED]


class Caller:
    def __init__(self, shop: str, customer_id: str | None) -> None:
        self.shop, self.customer_id = shop, customer_id


async def test_the_preview_shows_the_offer_and_moves_nothing(alice) -> None:
    await alice.get("/")
    page = await alice.get("/program/preview")
    assert 'proxy="/program/preview"' in page.text
    me = (await alice.get("/program/preview/me")).json()
    assert [reward["title"] for reward in me["rewards"]] == ["5.00 off", "30.00 off"]
    assert me["ways_to_earn"][0]["points"] == "1"
    headers = {"Authorization": f"Bearer {alice.token()}"}
    for reward, status in ((me["rewards"][0]["id"], 200), (me["rewards"][1]["id"], 404)):
        answer = await alice.http.post(
            "/program/preview/redemptions", json={"reward_id": reward}, headers=headers
        )
        assert answer.status_code == status
    wrong = await alice.http.post("/program/preview/redemptions", content=b"[", headers=headers)
    assert wrong.status_code == 400
    assert await world.one("SELECT count(*) FROM redemptions") == 0
