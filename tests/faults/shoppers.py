"""What shoppers of the whole stack do and see."""

import uuid

from tests.stack import Stack


def redeem(stack: Stack, customer_id: str, cost: int = 100, key: str | None = None):
    me = stack.me(customer_id)
    reward = next(one for one in me["rewards"] if one["cost"] == cost)
    body = {"reward_id": reward["id"], "idempotency_key": key or str(uuid.uuid4())}
    return stack.proxy("POST", "/storefront/redemptions", customer_id, json=body)


def bob_with(stack: Stack, points: int) -> str:
    """Bob after an order that earned him `points`."""
    bob = stack.customer()
    stack.order(bob, f"{points}.00")
    stack.wait_for_points(bob, points)
    return bob


def gauge(stack: Stack, name: str) -> float:
    """A figure of /metrics without labels; -1 when it cannot be told."""
    for line in stack.http.get(f"{stack.app_url}/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    return -1
