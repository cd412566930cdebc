"""What templates draw with: their environment, and the addresses they write."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import jinja2
from starlette.requests import Request

from app import config as settings
from app.flags import evaluation, known
from app.web import files, wording

# without the first four Shopify cannot be asked for a new id token
CARRIED = ("shop", "host", "embedded", "locale", "rendering")


def carried(request: Request) -> dict[str, str]:
    """What of this request's address its links must carry."""
    query = request.query_params
    return {name: query[name] for name in CARRIED if name in query}


def rendering(request: Request, config: settings.Config, shop: str) -> str:
    """In what a page is drawn for the shop: `native` where the browser has found out that Polaris
    does not come, or there is none.
    """
    asked = request.query_params.get("rendering", "")
    is_native = asked == "native" or not config.polaris_url
    return "native" if is_native or not evaluation.is_on(known.POLARIS, shop) else "polaris"


def link(carry: Mapping[str, str], path: str, **query: Any) -> str:
    """`path` with what Shopify needs to recognise the next document, and `query` without its
    empty values.
    """
    pairs = {**carry, **{name: value for name, value in query.items() if value not in {None, ""}}}
    return f"{path}?{urlencode(pairs)}" if pairs else path


environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(settings.ROOT / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
environment.globals.update(static=files.address, now=lambda: datetime.now(UTC))
environment.filters.update(
    short=wording.short,
    local=wording.local,
    age=wording.age,
    money=wording.money,
    number=lambda value: f"{value:,}",
)
