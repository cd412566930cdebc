"""Referrals on the home page and on a customer's: figures, and what waits for a look."""

from app.errors import UnavailableError
from app.referrals import reads
from app.referrals.views import Overview, ReferralList
from app.resilience import health
from app.resilience.reading import Reading
from app.web import panels
from app.web.pages import Visit
from app.web.panels import Attention, Home, Panel

SERVICE = "referrals"
NOT_LOST = "Links go on working; what is asked for meanwhile is done when they are back."
AWAY = f"Referrals temporarily unavailable. {NOT_LOST}"


def check(visit: Visit) -> None:
    """Raises UnavailableError while nobody works on referrals: figures of before would look as if
    all were well.
    """
    if is_away(visit):
        raise UnavailableError(AWAY)


def is_away(visit: Visit) -> bool:
    """Whether referrals are not worked on; a board that is only remembered does not say so."""
    board = visit.board
    return not board.is_remembered and health.service_notice(board, SERVICE) == "down"


async def load(visit: Visit) -> Reading[Overview]:
    check(visit)
    return await panels.read(
        visit, SERVICE, "overview", lambda: reads.overview(visit.shop), Overview
    )


async def load_customer(visit: Visit) -> Reading[ReferralList]:
    check(visit)
    customer_id = str(visit.request.path_params.get("customer_id", ""))
    return await panels.read(
        visit,
        SERVICE,
        f"customer:{customer_id}",
        lambda: reads.of_customer(visit.shop, customer_id),
        ReferralList,
    )


async def attention(visit: Visit) -> list[Attention]:
    """Referrals that wait for a look: they wait until somebody gives it."""
    waiting = await reads.held(visit.shop)
    if not waiting:
        return []
    title = "1 referral waits for you" if waiting == 1 else f"{waiting:,} referrals wait for you"
    text = "Nothing is given for them until you have looked."
    return [Attention("warning", title, text, "Review", path="/referrals/queue")]


def is_nothing(it: Overview) -> bool:
    return not (it.links or it.queued or it.claims)


HOME = Home(
    SERVICE,
    (
        Panel(
            SERVICE,
            "Referrals",
            "referrals/panel.html",
            load,
            is_nothing=is_nothing,
            first_template="referrals/first.html",
            away=AWAY,
        ),
    ),
    attention,
)
CUSTOMER = Panel(
    SERVICE,
    "Referrals",
    "referrals/customer.html",
    load_customer,
    is_nothing=lambda it: not it.rows,
    first_template="referrals/customer_first.html",
    away=AWAY,
)
