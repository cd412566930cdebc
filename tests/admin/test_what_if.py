"""A campaign tried on the orders of the last thirty days: a page of two services and core."""

from app.points.earning.whatif import actions
from tests.admin.staff import buys, text
from tests.campaigns.test_actions import launched
from tests.points import world


async def answered() -> None:
    while await actions.go_on():
        pass


async def test_a_campaign_is_tried_in_the_background_and_its_cost_is_shown(alice) -> None:
    await buys()
    one = await launched()
    path = f"/campaigns/what-if/{one.campaign_id}"
    assert "Try it on the last 30 days" in text(await alice.get(f"/campaigns/{one.campaign_id}"))
    assert "Nobody's points change" in text(await alice.get(path))
    before = await world.figures()
    assert "They are being counted" in text(await alice.post(path))
    again = await alice.post(path)
    assert again.status_code == 422
    assert "Another campaign is being tried" in text(again)
    await answered()
    page = text(await alice.get(path))
    assert "Customers who gain 1" in page
    assert "Orders that get it 1 of 1" in page
    assert "Bob Buyer" in page
    assert await world.figures() == before


async def test_a_campaign_that_is_not_there_and_one_of_another_shop_are_not_found(
    alice, charlie
) -> None:
    one = await launched()
    for staff, name in ((alice, "nothing"), (charlie, one.campaign_id)):
        assert (await staff.get(f"/campaigns/what-if/{name}")).status_code == 404
        assert (await staff.post(f"/campaigns/what-if/{name}")).status_code == 404
