"""What was lost is told in plain words, and how far it has been compared with Shopify."""

from datetime import UTC, datetime, timedelta

import httpx2

from app import db
from app.admin import health
from app.core.reconciliation.reads import Progress
from app.flow.lanes.epoch import Loss
from app.flow.lanes.losses import Noted

AT = datetime(2026, 11, 27, 10, tzinfo=UTC)


def note(kind: str = "lost", **progress: object) -> tuple[str, str, str]:
    loss = Loss(kind, AT - timedelta(hours=1), AT)  # type: ignore[arg-type]
    told = {"looks": 0, "found": 0, "told": 0, "is_done": False, **progress}
    progress_of_shop = Progress(Noted(1, loss, None), **told)  # type: ignore[arg-type]
    found = health._loss_note(progress_of_shop, "UTC")
    return found.tone, found.heading, found.text


def test_a_window_that_is_open_says_so_and_what_was_found_so_far() -> None:
    tone, heading, text = note()
    assert (tone, heading) == ("warning", "The queue lost what was waiting in it")
    assert text.endswith("may be missing until it has been compared with Shopify.")
    assert "so far 3 of 1,200 orders were missing" in note(looks=1, found=1_200, told=3)[2]


def test_a_window_that_is_done_says_what_was_missing() -> None:
    tone, heading, text = note("database", looks=2, found=40, told=0, is_done=True)
    assert (tone, heading) == ("info", "The database was put back to an earlier moment")
    assert "is compared with Shopify: 0 of 40 orders were missing" in text


async def test_operators_see_each_window_and_the_shops_that_cannot_be_asked(
    stores: db.Stores, http: httpx2.AsyncClient
) -> None:
    async with db.connection() as connection:
        loss_id = await connection.fetchval(
            "INSERT INTO redis_losses (kind, lost_from, noticed_at) "
            "VALUES ('lost', now() - interval '1 hour', now()) RETURNING id"
        )
        await connection.execute(
            "INSERT INTO reconciliations (shop, name, loss_id, since, next_at, found, told, error) "
            "VALUES ('alice.myshopify.com', 'loss:1', $1, now(), now(), 40, 3, 'Shopify is away.')",
            loss_id,
        )
    page = await http.get("/operator")
    assert page.status_code == 200
    assert "Compared with Shopify" in page.text
    assert "1 shop cannot be asked yet" in page.text
    assert "Shopify is away." in page.text
