"""The merchant's page about what is offered: to friends, to advocates, within which limits."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.responses import Response

from app import money
from app.referrals.settings import actions, reads
from app.referrals.views import Settings
from app.resilience.reading import Reading
from app.web import examples, forms, pages, panels
from app.web.examples import counted
from app.web.forms import Form
from app.web.pages import Visit, admin_page

Rewards = Callable[[str], Awaitable[Sequence[Any]]]
KINDS = {"percent": "Percent off", "amount": "An amount off"}
GETS = {
    "points": ("Points", "A number of points, with the hold below."),
    "reward": ("A reward", "One of the rewards of your program, without its cost in points."),
}
ORDERS = {"1": "First order", "2": "Second order"}
LABELS = {
    "friend_kind": "The friend gets",
    "friend_value": "How much",
    "friend_minimum": "From an order of",
    "code_days": "Code lasts",
    "order_minimum": "Counts from",
    "order_number": "For the friend's",
    "advocate_kind": "The advocate gets",
    "advocate_points": "Points",
    "advocate_reward_id": "Reward",
    "hold_days": "Held back",
    "window_days": "Taken back within",
    "day_max": "A day",
    "month_max": "A month",
    "all_max": "In all",
    "is_on": "Switched on",
}
NUMBERS = ("friend_value", "friend_minimum", "order_minimum")
WHOLE = (
    "order_number",
    "code_days",
    "advocate_points",
    "hold_days",
    "window_days",
    "day_max",
    "month_max",
    "all_max",
)
NUMBER_MAX = 10**9


async def current(visit: Visit) -> Reading[Settings]:
    """The settings in force."""
    starts_as = visit.stores.config.program_starts_as
    return await panels.read(
        visit, "referrals", "settings", lambda: reads.of(visit.shop, starts_as), Settings
    )


def of(rewards: Rewards) -> tuple[Any, Any, Any]:
    """The handlers that save, show and explain the page, which offers `rewards` of another
    service.
    """

    @admin_page
    async def show(visit: Visit) -> Response:
        return await _show(visit, rewards)

    @admin_page
    async def sentence(visit: Visit) -> Response:
        """What the form so far comes to."""
        offered = await _rewards(visit, rewards)
        return examples.said(_said(visit, visit.request.query_params, offered))

    @admin_page
    async def edit(visit: Visit) -> Response:
        values = await forms.read_form(visit.request)
        offered = await _rewards(visit, rewards)
        wanted = _wanted(values, visit.locale, offered)
        form = Form("settings-", values, actions.problems(wanted))
        if form.problems:
            return await _show(visit, rewards, form, status=422)
        by = await pages.name_of(visit)

        async def save() -> None:
            try:
                await actions.edit(visit.shop, wanted, by, _seen(values))
            except actions.StaleSettingsError as error:
                theirs = _typed(error.current, visit.locale)
                form.conflict = [
                    (label, theirs.get(name, ""), values.get(name, ""))
                    for name, label in LABELS.items()
                    if theirs.get(name, "") != values.get(name, "")
                ]
                form.values = {**values, "version": theirs["version"]}
                raise

        status = await forms.change(form, save)
        if status != forms.SAVED:
            return await _show(visit, rewards, form, status=status)
        return await _show(visit, rewards, toast="Saved. It counts for claims from now on")

    return edit, show, sentence


async def _show(
    visit: Visit,
    rewards: Rewards,
    form: Form | None = None,
    *,
    status: int = 200,
    toast: str = "",
) -> Response:
    found, offered = await asyncio.gather(current(visit), _rewards(visit, rewards))
    if form is None and found.value is not None:
        form = Form("settings-", _typed(found.value, visit.locale))
    return pages.render(
        visit,
        "referrals/settings.html",
        heading="What you offer",
        readings=[found],
        status=status,
        toast=toast,
        form=form,
        example=_said(visit, form.values, offered) if form and not form.problems else [],
        settings=found.value,
        kinds=KINDS,
        gets=GETS,
        orders=ORDERS,
        rewards=offered,
    )


def _said(visit: Visit, values: Mapping[str, str], rewards: Mapping[str, str]) -> list[str]:
    """The sentences of a form as it is filled in, or what is missing for them."""
    wanted = _wanted(values, visit.locale, rewards)
    missing = examples.missing(actions.problems(wanted).values())
    return missing or sentences(Settings(**wanted), visit.currency)


def sentences(settings: Settings, currency: str) -> list[str]:
    """What settings without problems do."""
    least, number = settings.order_minimum, "second" if settings.order_number > 1 else "first"
    order = f"{number} order" + (f" of {money.text(least, currency)} or more" if least else "")
    held = f"{counted(settings.hold_days, 'day')} after" if settings.hold_days else "with"
    code = f"with a code that lasts {counted(settings.code_days, 'day')}"
    within = f"within {counted(settings.window_days, 'day')}"
    most = (
        f"{settings.day_max:,} a day, {settings.month_max:,} a month, {settings.all_max:,} in all"
    )
    lines = [
        "" if settings.is_on else "While referrals are switched off, nobody is offered this.",
        f"A friend gets {reads.for_friend(settings, currency, 'their')}, {code}.",
        f"Who invited them gets {reads.for_advocate(settings)} {held} the friend's {order}.",
        f"If that order comes back {within}, it is taken back." if settings.window_days else "",
        f"One member is rewarded for {most}; what is over that waits for you.",
    ]
    return [line for line in lines if line]


async def _rewards(visit: Visit, rewards: Rewards) -> dict[str, str]:
    """The rewards of the programme by their id; none while points cannot be read."""
    found = await pages.attempt(lambda: rewards(visit.shop))
    return {str(one.id): str(one.title) for one in found or () if one.is_active}


def _wanted(values: Mapping[str, str], locale: str, rewards: Mapping[str, str]) -> dict[str, Any]:
    """What was typed, as settings; None for what is no number."""
    kind = values.get("friend_kind", "")
    gets = values.get("advocate_kind", "")
    reward_id = values.get("advocate_reward_id", "")
    is_reward = gets == "reward" and reward_id in rewards
    found: dict[str, Any] = {
        "is_on": values.get("is_on") == "1",
        "friend_kind": kind if kind in KINDS else "percent",
        "advocate_kind": gets if gets in GETS else "points",
        "advocate_reward_id": reward_id if is_reward else "",
        "advocate_text": rewards[reward_id] if is_reward else "",
    }
    for name in NUMBERS:
        typed = values.get(name, "") or ("" if name == "friend_value" else "0")
        found[name] = forms.decimal(typed, places_max=actions.PLACES_MAX, locale=locale)
    for name in WHOLE:
        typed = values.get(name, "1" if name == "order_number" else "")
        found[name] = forms.whole(typed, NUMBER_MAX)
    if found["advocate_kind"] == "reward" and found["advocate_points"] is None:
        found["advocate_points"] = 0
    return found


def _typed(settings: Settings, locale: str) -> dict[str, str]:
    """Settings as the form has them."""
    found = {name: str(getattr(settings, name)) for name in WHOLE}
    for name in NUMBERS:
        number = getattr(settings, name)
        plain = f"{number:.2f}"
        found[name] = forms.written(plain.removesuffix(".00"), locale)
    return {
        **found,
        "friend_kind": settings.friend_kind,
        "advocate_kind": settings.advocate_kind,
        "advocate_reward_id": settings.advocate_reward_id,
        "is_on": "1" if settings.is_on else "0",
        "version": str(settings.version),
    }


def _seen(values: Mapping[str, str]) -> int | None:
    return forms.whole(values.get("version", ""), NUMBER_MAX)
