"""Webhook deliveries: what was sent, what came back, and "send again", also under other names."""

import json

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devstore.errors import RefusedError
from devstore.pages.shared import form_of, go, render
from devstore.shop import things
from devstore.webhooks import forging
from devstore.webhooks.sending import as_json
from devstore.world import world_of

PAGE_SIZE = 50
GONE = "This delivery is not kept any more."


async def page(request: Request) -> Response:
    """Newest first; `?state=`, `?topic=` and `?page=`."""
    world, query = world_of(request), request.query_params
    everything: list[things.Delivery] = list(reversed(world.state.tables["delivery"].values()))
    found = [
        one
        for one in everything
        if query.get("state", "") in {"", one.state} and query.get("topic", "") in {"", one.topic}
    ]
    number = int(query["page"]) if query.get("page", "").isdecimal() else 1
    pages = max(1, -(-len(found) // PAGE_SIZE))
    number = min(max(1, number), pages)
    counts: dict[str, int] = {}
    for one in everything:
        counts[one.state] = counts.get(one.state, 0) + 1
    context = {
        "deliveries": found[(number - 1) * PAGE_SIZE : number * PAGE_SIZE],
        "topics": sorted({one.topic for one in everything}),
        "counts": counts,
        "state": query.get("state", ""),
        "topic": query.get("topic", ""),
        "number": number,
        "pages": pages,
    }
    return render(request, "deliveries.html", context)


async def one_delivery(request: Request) -> Response:
    found = _found(request)
    if found is None:
        return render(request, "sentence.html", {"sentence": GONE}, 404)
    body = as_json(json.loads(found.body), indent=2)
    return render(request, "delivery.html", {"delivery": found, "body": body})


async def send_again(request: Request) -> Response:
    delivery_id = request.path_params["id"]
    if not world_of(request).webhooks.send_again(delivery_id):
        return go("/deliveries", GONE)
    return go(f"/deliveries/{delivery_id}", "It is being sent again, with the same id.")


async def forge(request: Request) -> Response:
    """The same body under the topic, the shop and the id of the form, as another delivery."""
    captured, fields = _found(request), await form_of(request)
    if captured is None:
        return go("/deliveries", GONE)
    try:
        asked = forging.Forgery(
            topic=fields.get("topic") or None,
            shop=fields.get("shop") or None,
            webhook_id=fields.get("webhook_id") or None,
            clock_hours=float(fields["clock_hours"]) if fields.get("clock_hours") else None,
        )
        made = forging.send(world_of(request).webhooks, captured, asked)
    except (ValueError, RefusedError) as error:
        return go(f"/deliveries/{captured.id}", str(error))
    return go(f"/deliveries/{made.id}", "It is being sent under these names.")


def _found(request: Request) -> things.Delivery | None:
    return world_of(request).state.tables["delivery"].get(request.path_params["id"])


routes = [
    Route("/deliveries", page),
    Route("/deliveries/{id}", one_delivery),
    Route("/deliveries/{id}/again", send_again, methods=["POST"]),
    Route("/deliveries/{id}/forge", forge, methods=["POST"]),
]
