"""A canary behind the real router: what goes back by itself, and how fast; what is promoted."""

import time

import asyncpg
import httpx
import jwt
import pytest

from app.rings import bucket_of
from ops.canary import state
from tests.operate.routed import CANARY, SHOPS, STABLE, Routed
from tests.stack import SECRET
from tests.waiting import wait_for

pytestmark = pytest.mark.operate

HURT_MAX, SECONDS_MAX = 20, 10.0
SHORT_STEPS = ("--step-seconds", "4", "--requests-min", "15")
LONG_STEPS = ("--step-seconds", "600")


def test_a_shop_goes_the_same_way_by_header_by_address_and_by_token(place: Routed) -> None:
    place.router.give(500)
    share = {shop for shop in SHOPS if bucket_of(shop) < 500}
    assert 30 < len(share) < 75
    with httpx.Client(base_url=place.url("router")) as client:

        def release(**options: object) -> str:
            return client.get("/storefront/nothing", **options).headers["x-holdfast-release"]

        for shop in [*sorted(share)[:10], *SHOPS[:10]]:
            token = jwt.encode({"dest": f"https://{shop}"}, SECRET, "HS256")
            wanted = CANARY if shop in share else STABLE
            assert release(params={"shop": shop}) == wanted
            assert release(headers={"Authorization": f"Bearer {token}"}) == wanted
            assert place.deliver(client, shop.upper()).release == wanted
        found = {place.deliver(client, shop).release for shop in share}
        assert found == {CANARY}
        assert release() == STABLE
        # the second half of ten per cent are others, the first the same
        place.router.give(1_000)
        assert all(release(params={"shop": shop}) == CANARY for shop in sorted(share)[:10])
        held, pinned = min(share), next(one for one in SHOPS if bucket_of(one) > 9_000)
        place.router.pin({held: "stable", pinned: "canary"})
        assert release(params={"shop": held}) == STABLE
        assert release(params={"shop": pinned}) == CANARY
    gauge = httpx.get(place.url("router_metrics") + "/canary").text
    assert "holdfast_canary_share 1000\n" in gauge


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("errors", "failed"),
        pytest.param("slow", "took longer than", marks=pytest.mark.long),
        pytest.param("letters", "set aside", marks=pytest.mark.long),
        pytest.param("leak", "memory", marks=pytest.mark.long),
    ],
)
def test_a_canary_that_does_harm_goes_back_by_itself(
    place: Routed, fault: str, reason: str
) -> None:
    per_second = 300.0 if fault == "leak" else 150.0
    with place.traffic(per_second):
        controller = place.begin(*LONG_STEPS)
        wait_for("it has shops", lambda: _answered_by_canary(place, 10), 20)
        place.fault.write_text(fault, encoding="utf-8")
        place.is_fat = fault == "leak"
        began = time.monotonic()
        wait_for("it goes back", lambda: place.router.share() == 0, 60)
        seconds = time.monotonic() - began
        ended = time.monotonic() + 0.1
        assert controller.wait(20) == 1
        time.sleep(2)
        late = [one for one in place.answers if one.at > ended and one.release == CANARY]
        hurt = _hurt(place, fault, began)
    print(f"{fault}: back after {seconds:.1f} s, {len(hurt)} requests hurt: {place.state().reason}")
    assert place.state().status == state.ROLLED_BACK
    # what takes ever more memory may be slow before it is fat
    reasons = (reason, "took longer than") if fault == "leak" else (reason,)
    assert any(one in place.state().reason for one in reasons)
    assert late == []
    if fault != "leak":  # it grows over time, and hurts nobody until it is ended
        assert seconds <= SECONDS_MAX
        assert len(hurt) <= HURT_MAX


def _answered_by_canary(place: Routed, count: int) -> bool:
    return sum(one.release == CANARY for one in place.answers[-2_000:]) >= count


def _hurt(place: Routed, fault: str, began: float) -> list[object]:
    if fault == "errors":
        return list(place.hurt(began))
    if fault == "leak":
        return []
    by_canary = [one for one in place.answers if one.at >= began and one.release == CANARY]
    return [one for one in by_canary if fault == "letters" or one.seconds > 0.9]


@pytest.mark.long
def test_a_clean_canary_is_promoted_to_all_step_by_step(place: Routed) -> None:
    with place.traffic():
        began = time.monotonic()
        controller = place.begin(*SHORT_STEPS)
        assert controller.wait(90) == 0
        print(f"promoted to all after {time.monotonic() - began:.1f} s")
        wait_for("all shops", lambda: {one.release for one in place.answers[-50:]} == {CANARY}, 10)
    assert place.hurt(began) == []
    found = place.state()
    assert (found.status, found.share) == (state.PROMOTED, 10_000)
    shares = [line for line in found.history if " running: " in line][-4:]
    assert [line.split(" running: ")[1].split(" %")[0] for line in shares] == [
        "5",
        "25",
        "50",
        "100",
    ]
    assert place.control("finish").wait(30) == 0
    assert place.router.share() == 0


def test_a_canary_that_is_killed_hurts_next_to_nobody_and_goes_back(place: Routed) -> None:
    with place.traffic():
        controller = place.begin(*LONG_STEPS)
        wait_for("it has shops", lambda: _answered_by_canary(place, 10), 20)
        began = time.monotonic()
        place.processes["canary"].kill()
        assert controller.wait(30) == 1
        seconds = time.monotonic() - began
        time.sleep(1)
    print(f"killed: back after {seconds:.1f} s, {len(place.hurt(began))} requests hurt")
    assert "no canary process answers" in place.state().reason
    assert len(place.hurt(began)) <= 4
    assert seconds <= SECONDS_MAX


@pytest.mark.long
def test_without_data_nothing_is_promoted_and_after_a_while_it_goes_back(place: Routed) -> None:
    controller = place.begin("--step-seconds", "1", "--blind-seconds", "6")
    time.sleep(4)  # nobody asks for anything
    assert place.state().share == 500, "no requests: no promotion, and no harm either"
    place.processes["prometheus"].terminate()
    place.processes["prometheus"].wait(20)
    began = time.monotonic()
    assert controller.wait(40) == 1
    print(f"blind: back after {time.monotonic() - began:.1f} s (told to after 6)")
    assert "nothing was known of it" in place.state().reason
    assert place.router.share() == 0


def test_of_two_controllers_one_acts_and_by_hand_it_goes_back_at_once(place: Routed) -> None:
    first = place.begin(*LONG_STEPS)
    for command in (("watch",), ("start", "--release", "v3")):
        second = place.control(*command, name="second")
        assert second.wait(30) == 2
    assert f"Process {first.pid} controls the canary already." in place.said("second")
    # two people who promote at once promote once
    both = [place.control("promote", "25", name=f"promote{number}") for number in (1, 2)]
    assert sorted(one.wait(30) for one in both) == [0, 2]
    assert place.router.share() == 2_500
    began = time.monotonic()
    assert place.control("rollback", "--reason", "a bad feeling", name="by-hand").wait(30) == 0
    print(f"rolled back by hand in {time.monotonic() - began:.1f} s, the start of Python included")
    assert place.router.share() == 0
    assert first.wait(20) == 1, "the one that watches finds out"
    assert place.state().reason == "a bad feeling"


@pytest.mark.long
async def test_it_goes_back_during_a_migration_that_holds_everything(place: Routed) -> None:
    place.begin(*LONG_STEPS)
    migrating = await asyncpg.connect(place.stack.environment["DATABASE_URL"])
    try:
        async with migrating.transaction():
            await migrating.execute("LOCK TABLE shops, facts, receipts IN ACCESS EXCLUSIVE MODE")
            assert place.control("rollback", name="by-hand").wait(30) == 0
            assert place.router.share() == 0
            with httpx.Client(base_url=place.url("router")) as client:
                assert place.deliver(client, SHOPS[0]).status == 200
    finally:
        await migrating.close()
    place.processes["controller"].wait(20)


@pytest.mark.long
def test_a_router_that_was_started_anew_gives_nothing_until_it_is_told_again(
    place: Routed,
) -> None:
    place.begin(*LONG_STEPS)
    place.processes["router"].kill()
    place.processes["router"].wait(10)
    place.start_router()
    wait_for("it is told again", lambda: place.router.share() == 500, 20)
    place.control("rollback", name="by-hand").wait(30)
    place.processes["controller"].wait(20)


def test_what_web_refuses_is_refused_through_the_router_and_never_as_its_failure(
    place: Routed,
) -> None:
    place.router.give(5_000)
    shops = [next(one for one in SHOPS if (bucket_of(one) < 5_000) is has) for has in (True, False)]
    with httpx.Client(base_url=place.url("router"), timeout=20) as client:
        for shop in shops:
            head = {"X-Shopify-Shop-Domain": shop, "X-Shopify-Hmac-Sha256": "x"}
            long = {"Authorization": f"Bearer {'e' * 40_000}.a.b"}
            asked: list[tuple[str, str, dict[str, object], set[int]]] = [
                ("POST", "/webhooks", {"content": b"{}", "headers": head}, {400, 401}),
                ("POST", "/webhooks", {"content": b"x" * 12_000_000, "headers": head}, {401, 413}),
                ("POST", f"/customers?shop={shop}", {"content": b"x" * 3_000_000}, {413}),
                (
                    "POST",
                    f"/customers?shop={shop}",
                    {"content": iter([b"x" * 70_000] * 9)},
                    {405, 413},
                ),
                ("GET", f"/?shop={shop}", {"headers": long}, {302, 400, 401}),
                ("HEAD", f"/storefront/me?shop={shop}", {}, {401, 405}),
                ("GET", f"/storefront/me?shop={shop}&signature=0", {}, {401}),
                ("POST", f"/checkout/redemptions?shop={shop}", {"headers": long}, {400, 401}),
                ("DELETE", f"/?shop={shop}", {}, {405}),
                ("GET", "/metrics", {}, {401}),
                ("GET", "/operator/flags", {}, {401}),
            ]
            for method, path, options, statuses in asked:
                found = client.request(method, path, **options).status_code
                assert found in statuses, (method, path, found)
            waiting = {**head, "Expect": "100-continue"}
            found = client.post("/webhooks", content=b"{}", headers=waiting).status_code
            assert found in {400, 401}
