"""What templates draw with: their environment, and the addresses they write."""

import functools
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import jinja2
from starlette.requests import Request

from app import config as settings
from app.web import wording

CARRIED = (
    "shop",
    "host",
    "embedded",
    "locale",
)  # without these Shopify cannot be asked for a new id token
STATIC = settings.ROOT / "static"


def carried(request: Request) -> dict[str, str]:
    """What of this request's address its links must carry."""
    query = request.query_params
    return {name: query[name] for name in CARRIED if name in query}


def link(carry: Mapping[str, str], path: str, **query: Any) -> str:
    """`path` with what Shopify needs to recognise the next document, and `query` without its
    empty values.
    """
    pairs = {**carry, **{name: value for name, value in query.items() if value not in {None, ""}}}
    return f"{path}?{urlencode(pairs)}" if pairs else path


@functools.cache
def static(name: str) -> str:
    """The address of a file under static/, with its contents' digest, so that browsers may keep
    it for ever.
    """
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(settings.ROOT / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
environment.globals.update(static=static, now=lambda: datetime.now(UTC))
environment.filters.update(
    local=wording.local,
    age=wording.age,
    money=wording.money,
    moment=datetime.fromisoformat,
    number=lambda value: f"{value:,}",
)
