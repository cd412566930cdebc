"""What webhooks come to in every order of arrival, doubled, in one batch, and with one missing."""

import itertools
from collections.abc import Callable, Sequence

from app import db
from app.points.earning.campaigns import copies
from app.points.ledger.audit import verify
from app.points.ledger.sentences import sentence
from tests.points.webhooks import Shop, Webhook, tell
from tests.points.world import ALICE, BOB, figures

shops = (f"shop-{number}.myshopify.com" for number in itertools.count())
Make = Callable[[Shop], Sequence[Webhook]]


async def come_to(
    make: Make, points: int, *, may_miss: Sequence[int] = (), customer: str = BOB
) -> None:
    """In every order, each twice, all at once, and without each of `may_miss`."""
    told = make(Shop())
    ways = [list(way) for way in itertools.permutations(range(len(told)))]
    ways += [[*way, *way] for way in ways[:2]] + [[*way, *reversed(way)] for way in ways[-2:]]
    ways += [[number for number in ways[0] if number != missing] for missing in may_miss]
    for way, together in [*((way, False) for way in ways), (ways[0], True), (ways[-1], True)]:
        shop = Shop(next(shops))
        told = make(shop)
        await tell(*(told[number] for number in way), together=together)
        has = await figures(customer, shop.shop)
        assert has.get("available", 0) == points, (way, together, has)
        assert has.get("debt", 0) == 0
    report = await verify()
    assert report.is_sound, report.problems


async def sentences(shop: str = ALICE) -> str:
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT effect, points, why FROM ledger WHERE shop = $1 ORDER BY id", shop
        )
        named = await copies.names(conn, shop, range(1_000))
    return "\n".join(sentence(*row, named) for row in rows)
