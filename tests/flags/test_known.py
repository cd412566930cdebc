"""Who has what a flag guards: by name, by share, and for ever the same."""

from datetime import UTC, date, datetime

from app.flags.known import FLAGS, FULL, Flag, Setting, bucket, default, is_given, stale_days
from ops.flags import Wanted, changed, line, stale

SHOPS = [f"shop-{number}.myshopify.com" for number in range(2_000)]
ALICE, CHARLIE = "alice.myshopify.com", "charlie.myshopify.com"
NEW = Flag("new-thing", "Something new.", "road", date(2026, 1, 1), share_in_10000=0)
TODAY = date(2026, 6, 1)


def setting(share: int = FULL, **fields) -> Setting:
    return Setting("new-thing", fields.pop("is_enabled", True), share, **fields)


def test_a_share_is_about_that_many_shops_and_more_of_it_keeps_those() -> None:
    few = {shop for shop in SHOPS if is_given(setting(500), shop)}
    more = {shop for shop in SHOPS if is_given(setting(1_000), shop)}
    assert 70 < len(few) < 130
    assert few < more
    assert not any(is_given(setting(0), shop) for shop in SHOPS)
    assert all(is_given(setting(FULL), shop) for shop in SHOPS)


def test_another_flag_has_other_shops_first() -> None:
    here = {shop for shop in SHOPS if bucket("one", shop) < 500}
    there = {shop for shop in SHOPS if bucket("two", shop) < 500}
    assert len(here & there) < len(here) / 3


def test_a_shop_by_name_counts_more_than_the_share_and_off_more_than_all() -> None:
    assert is_given(setting(0, shops_on=frozenset({ALICE})), ALICE)
    assert not is_given(setting(FULL, shops_off=frozenset({ALICE})), ALICE)
    assert is_given(setting(FULL, shops_off=frozenset({ALICE})), CHARLIE)
    assert not is_given(setting(FULL, is_enabled=False, shops_on=frozenset({ALICE})), ALICE)


def test_what_is_of_no_shop_is_on_only_where_all_have_it() -> None:
    assert is_given(setting(FULL), "")
    assert not is_given(setting(FULL - 1), "")


def test_a_flag_that_is_settled_for_long_is_stale_and_a_switch_never() -> None:
    assert stale_days(NEW, default(NEW), TODAY) == 151
    assert stale_days(NEW, default(NEW), date(2026, 2, 1)) == 0
    assert stale_days(NEW, setting(2_500), TODAY) == 0, "some have it, some have not"
    assert stale_days(NEW, setting(0, shops_on=frozenset({ALICE})), TODAY) == 0
    since = datetime(2026, 5, 20, tzinfo=UTC)
    assert stale_days(NEW, setting(FULL, changed_at=since), TODAY) == 0
    assert stale_days(NEW._replace(is_switch=True), default(NEW), TODAY) == 0
    assert (
        "new-thing (of road) has been at nobody or all for 151 days"
        in stale({"new-thing": NEW}, {}, TODAY).pop()
    )
    assert stale({"new-thing": NEW}, {"new-thing": setting(500)}, TODAY) == []


def test_every_flag_says_what_it_guards_and_who_answers_for_it() -> None:
    for key, flag in FLAGS.items():
        assert key == flag.key
        assert len(key) <= 64
        assert flag.guards.endswith(".")
        assert flag.owner
        assert 0 <= flag.share_in_10000 <= FULL


def test_a_shop_leaves_one_list_when_it_comes_to_the_other() -> None:
    before = setting(500, shops_on=frozenset({ALICE}), version=3)
    nothing = Wanted(None, None, frozenset(), frozenset(), frozenset())
    after = changed(before, Wanted(None, 700, frozenset(), frozenset({ALICE}), frozenset()))
    assert (after.shops_on, after.shops_off) == (frozenset(), frozenset({ALICE}))
    assert (after.share_in_10000, after.version) == (700, 3)
    assert changed(before, nothing) == before
    killed = changed(before, Wanted(False, None, frozenset(), frozenset(), frozenset()))
    assert "OFF" in line(NEW, killed)
