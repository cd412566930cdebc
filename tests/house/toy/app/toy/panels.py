"""What the pages put together from all services show of toy."""

from app.toy import reads

from app.db import Stores
from app.resilience.reading import Reading
from app.web import panels
from app.web.api import Caller
from app.web.pages import Visit
from app.web.panels import Attention, Home, Panel
from app.web.shopper import Part

SERVICE = "toy"


async def load(visit: Visit) -> Reading[int]:
    return await panels.read(visit, SERVICE, "orders", lambda: reads.orders(visit.shop), int)


async def attention(visit: Visit) -> list[Attention]:
    number = await reads.orders(visit.shop)
    return [Attention("warning", "Toy has counted", f"{number} orders.", "Status")]


async def me(stores: Stores, caller: Caller) -> dict[str, list[str]]:
    return {"notices": [f"{await reads.orders(caller.shop)} orders so far."]}


HOME = Home(
    SERVICE,
    (Panel(SERVICE, "Paid orders", "toy/orders.html", load, is_nothing=lambda found: found == 0),),
    attention,
)
PART = Part(SERVICE, me, {})
