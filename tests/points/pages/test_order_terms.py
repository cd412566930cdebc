"""The page about what of orders earns: saved as a new version, refused with sentences."""

from tests.admin.staff import text, value

TYPED = {
    "products": "11, https://admin.shopify.com/store/alice/products/12",
    "collections": "77",
    "tags": "wholesale",
    "channel_online": "earn",
    "channel_pos": "nothing",
    "channel_draft": "earn",
    "b2b": "nothing",
    "subscription_rate": "0.5",
    "shipping": "with",
    "taxes": "without",
}


async def test_what_of_orders_earns_is_saved_as_a_new_version_and_shown(alice) -> None:
    await alice.get("/program")
    answer = await alice.post("/program/orders", **TYPED)
    assert answer.status_code == 200
    assert value(answer, "tags") == "wholesale"
    assert value(answer, "subscription_rate") == "0.5"
    assert "11, 12" in answer.text
    assert "Being looked up" in text(answer)
    program = text(await alice.get("/program"))
    assert "2 products earn nothing; 1 collection earns nothing" in program
    assert "point of sale earns nothing" in program


async def test_a_form_that_makes_no_sense_keeps_what_was_typed_and_says_why(alice) -> None:
    await alice.get("/program")
    answer = await alice.post(
        "/program/orders", **{**TYPED, "products": "mugs", "subscription_rate": "lots"}
    )
    assert answer.status_code == 422
    assert "the digits at the end of their address" in text(answer)
    assert "a rate from 0 to 10,000" in text(answer)
    assert value(answer, "subscription_rate") == "lots"


async def test_who_saved_other_rules_meanwhile_is_shown(alice) -> None:
    old = await alice.get("/program/orders")
    version = value(old, "version")
    await alice.post("/program/orders", **TYPED, version=version)
    answer = await alice.post("/program/orders", **{**TYPED, "tags": "vip"}, version=version)
    assert answer.status_code == 409
    assert "Saved meanwhile" in text(answer)
