"""What all pages of the stand-in store use: templates, form fields, and answers to a form."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates

from devstore.errors import FormError
from devstore.shop import money, totals
from devstore.world import world_of

HERE = Path(__file__).parent.parent
TEXT_LIMIT = 200
MINUS = "\N{MINUS SIGN}"
SYMBOLS = {"USD": "$", "JPY": "¥"}

_environment = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=select_autoescape()
)
_environment.filters["money"] = lambda cents, currency="USD": _money(cents, currency)
_environment.filters["when"] = lambda at: at[:16].replace("T", " ") if at else ""
_environment.globals["status_of"] = totals.financial_status
_environment.globals["left_of"] = totals.pieces_left
templates = Jinja2Templates(env=_environment)


def _money(amount_cents: int, currency: str) -> str:
    amount = money.text(abs(amount_cents), currency)
    sign, symbol = MINUS if amount_cents < 0 else "", SYMBOLS.get(currency)
    return f"{sign}{symbol}{amount}" if symbol else f"{sign}{amount} {currency}"


def render(
    request: Request, template: str, context: dict[str, Any], status_code: int = 200
) -> Response:
    shared = {
        "settings": world_of(request).settings,
        "said": request.query_params.get("said", ""),
        "root": request.scope.get("root_path", ""),
    }
    return templates.TemplateResponse(
        request, template, {**shared, **context}, status_code=status_code
    )


def go(address: str, said: str = "") -> Response:
    """See other page, which shows the sentence once."""
    if said:
        address += ("&" if "?" in address else "?") + "said=" + quote(said)
    return RedirectResponse(address, status_code=303)


async def form_of(request: Request) -> dict[str, str]:
    """The text fields of a form, trimmed and cut to a sane length."""
    form = await request.form()
    return {
        name: value.strip()[:TEXT_LIMIT] for name, value in form.items() if isinstance(value, str)
    }


def whole_number(fields: dict[str, str], name: str, default: int = 0) -> int:
    """Raises FormError for what is not a whole number of 0 or more."""
    text = fields.get(name) or str(default)
    if not text.isascii() or not text.isdigit():
        raise FormError(f"“{text}” is not a whole number.")
    return int(text)
