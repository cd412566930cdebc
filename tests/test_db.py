"""Where state lives."""

from app import db


async def test_a_transaction_joins_set_based_sql_and_the_orm(stores: db.Stores) -> None:
    from app.core.models import Shop

    async with db.transaction() as connection:
        await Shop.create(domain="alice.myshopify.com")
        assert await connection.fetchval("SELECT count(*) FROM shops") == 1
    assert await Shop.all().count() == 1
    assert await stores.queue.ping()
