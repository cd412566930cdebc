"""The merchant's word on whether Holdfast's makers are told, in numbers, how the app is used."""

from collections.abc import Awaitable, Callable

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.telemetry import choices
from app.web import forms
from app.web.forms import Form
from app.web.pages import Visit, admin_page

Show = Callable[..., Awaitable[Response]]


def routes(show: Show) -> list[BaseRoute]:
    """The route that saves it; `show` draws the page it stands on."""

    @admin_page
    async def save(visit: Visit) -> Response:
        values = await forms.read_form(visit.request)
        form, is_off = Form("analytics-"), values.get("on") != "1"
        status = await forms.change(form, lambda: choices.choose(visit.shop, is_off=is_off))
        said = "Nothing is told any more" if is_off else "Figures of use are told again"
        return await show(visit, toast=form.problems.get("", said), status=status)

    return [Route("/health/analytics", save, methods=["POST"])]
