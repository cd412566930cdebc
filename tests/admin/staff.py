"""Staff with admin open, what they see, and what there is to see."""

import html
import re
import time
import uuid

import httpx2
import jwt

from app import config as settings
from app import db
from app.flow import dead_letters
from app.flow.models import DeadLetter
from app.resilience.breaker import State
from app.resilience.guard import Resource
from tests.points import world
from tests.points.world import ALICE, BOB
from tests.polaris import check


class Staff:
    """A member of staff with admin open, in one shop."""

    def __init__(self, http: httpx2.AsyncClient, config: settings.Config, shop: str) -> None:
        self.http, self.config, self.shop = http, config, shop

    def token(self, **changed: object) -> str:
        now = int(time.time())
        claims = {
            "iss": f"https://{self.shop}/admin",
            "dest": f"https://{self.shop}",
            "aud": self.config.api_key,
            "sub": "42",
            "exp": now + 60,
            "nbf": now - 1,
            "iat": now,
            "jti": str(uuid.uuid4()),
            "sid": "session",
            **changed,
        }
        return jwt.encode(claims, self.config.api_secrets[0], "HS256")

    async def get(self, path: str, **query: str) -> httpx2.Response:
        """A page as App Bridge's fetch asks for it."""
        return looked_at(
            await self.http.get(
                path, params=query or None, headers={"Authorization": f"Bearer {self.token()}"}
            )
        )

    async def post(self, path: str, **fields: str) -> httpx2.Response:
        return looked_at(
            await self.http.post(
                path, data=fields, headers={"Authorization": f"Bearer {self.token()}"}
            )
        )


def looked_at(answer: httpx2.Response) -> httpx2.Response:
    """The answer, in which Polaris takes everything that is meant for it."""
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert check.wrong(answer.text) == [], answer.url
    return answer


async def buys(
    customer_id: str = BOB, name: str = "Bob Buyer", amount: str = "49.90", shop: str = ALICE
) -> None:
    """A paid order of 49 points under the default rules, its number that of the customer."""
    buyer = {"id": customer_id, "name": name, "email": f"{customer_id}@example.com"}
    order = {
        "order_id": f"9{customer_id}",
        "order_name": f"#9{customer_id}",
        "customer_id": customer_id,
        "test": False,
        "currency": "USD",
        "processed_at": world.now().isoformat(),
        "lines": [world.line(amount)],
        "customer": buyer,
    }
    await world.handle(world.fact("order.paid", order, shop))


# what elements of Polaris show of their attributes
SHOWN = re.compile(r'\s(?:heading|label|details|error|suffix)="([^"]*)"')


def text(response: httpx2.Response) -> str:
    """What a reader sees: no tags but what they show themselves, entities resolved, white space
    single.
    """
    bare = re.sub(r"<[^>]*>", lambda tag: f" {' '.join(SHOWN.findall(tag[0]))} ", response.text)
    return " ".join(html.unescape(bare).split())


def value(response: httpx2.Response, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*?value="([^"]*)"', response.text)
    assert found, f"no field {name}"
    return html.unescape(found[1])


def open_circuit(resource: Resource) -> None:
    resource.breaker._move(State.OPEN, "the test says so")


async def set_aside(shop: str, reason: str, reference: str = "event-1") -> None:
    async with db.transaction() as conn:
        await dead_letters.add(
            conn,
            ValueError(reason),
            service="points",
            shop=shop,
            topic="order.paid",
            reference=reference,
            payload=b'{"order": "<script>alert(1)</script>"}',
        )
    await DeadLetter.filter(shop=shop).update(state="dead", reason=reason, next_attempt_at=None)
