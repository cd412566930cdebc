"""Many redemptions of one balance at the same moment, over two web processes."""

import asyncio

import httpx
import pytest

from tests.stack import SHOP, Stack

pytestmark = pytest.mark.long


async def test_of_200_redemptions_at_once_exactly_as_many_win_as_the_balance_pays_for(
    whole_stack: Stack,
) -> None:
    stack = whole_stack
    stack.start("web2")
    bob = stack.customer()
    stack.order(bob, "730.00")
    me = stack.wait_for_points(bob, 730)
    reward = next(one for one in me["rewards"] if one["cost"] == 100)
    urls = []
    for number in range(200):
        path = {"path": "/storefront/redemptions", "customer_id": bob}
        url = stack.control("POST", f"shops/{SHOP}/proxy-url", path)["url"]
        urls.append(
            url.replace(f":{stack.ports['web']}/", f":{stack.ports['web2']}/")
            if number % 2
            else url
        )
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=200)) as client:

        async def redeem(number: int) -> int:
            body = {"reward_id": reward["id"], "idempotency_key": f"at-once-{number:04}"}
            for _ in range(40):
                answer = await client.post(urls[number], json=body)
                if answer.status_code not in {
                    429,
                    503,
                }:  # a full bulkhead asks to come again, with the same key
                    return answer.status_code
                await asyncio.sleep(0.25)
            return answer.status_code

        answers = await asyncio.gather(*[redeem(number) for number in range(200)])
    won = [status for status in answers if status in {200, 202}]
    assert len(won) == 7, answers
    assert answers.count(422) == 193, answers
    stack.wait_for_points(bob, 30)
    stack.verify()
