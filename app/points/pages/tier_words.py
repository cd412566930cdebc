"""What the form of tiers comes to in plain sentences: what is counted, what each tier asks for and
gives, and how one is lost.
"""

from collections.abc import Mapping

from app.points.earning import rules as earning
from app.points.pages import tier_form
from app.points.tiers import rules, wording
from app.points.tiers.reads import Tiers
from app.points.tiers.rules import Scheme
from app.web import examples
from app.web.examples import counted
from app.web.pages import Visit

MEASURED = {
    "points": "the points of their orders",
    "spend": "what they spend",
    "orders": "their orders",
}
UNREAD = "The tiers cannot be read just now."


def said(visit: Visit, current: Tiers | None, values: Mapping[str, str]) -> list[str]:
    """The sentences of the form as it is filled in, or what is missing for them."""
    if current is None:
        return [UNREAD]
    settings, problems = tier_form.scheme(current, values, visit.locale)
    return examples.missing(problems.values()) or sentences(settings, visit.currency)


def sentences(settings: Scheme, currency: str) -> list[str]:
    """What settings without problems do."""
    reached = "; ".join(
        f"{one.name} {_from(settings, one.threshold, currency)}{_times(one.factor_units)}"
        for one in settings.tiers
    )
    by = f"{MEASURED[settings.measure]} {wording.period(settings)}"
    return [f"Members are placed by {by}: {reached}.", _lost(settings)]


def _from(settings: Scheme, threshold: int, currency: str) -> str:
    if threshold == 0:
        return "for everybody"
    return f"from {tier_form.words(settings.measure, threshold, currency)}"


def _times(factor_units: int) -> str:
    if factor_units == rules.FACTOR_ONE:
        return ""
    return f", with {earning.rate_text(factor_units)}x points"


def _lost(settings: Scheme) -> str:
    if settings.policy == "never" or settings.period == "forever":
        return "Once reached, a tier stays; only an order that comes back takes it."
    is_year = settings.period == "year"
    grace = f", and {counted(settings.grace_days, 'day')} more" if settings.grace_days else ""
    if settings.policy == "balance":
        until = "the year ends" if is_year else "it is not deserved any more"
        return f"A tier is kept until {until}{grace}."
    kept = f"for {counted(settings.days, 'day')} after it was last deserved"
    if is_year:
        kept = "for the rest of the year and the year after it"
    then = "members fall one tier at a time" if settings.policy == "one" else "it is lost"
    return f"A tier is kept {kept}{grace}; then {then}, unless it is deserved again."
