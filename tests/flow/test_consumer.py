"""A service handles each event once, whatever is repeated, poisoned, killed or away."""

from app import db
from app.flow.bus import Bus
from tests.flow.helpers import Service, order, publish


async def test_a_batch_is_handled_in_one_call_and_in_order(service: Service, bus: Bus, stores: db.Stores) -> None:
    await publish(bus, stores, *(order(number) for number in range(50)))
    assert await service.run_once() == 50
    assert service.batches == [list(range(50))]
    assert await service.effects() == list(range(50))
    assert (await bus.lag("points", service.topics)).count == 0
