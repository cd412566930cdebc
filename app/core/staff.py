"""Who of a shop's staff it is: the ledger and the pages name people, and an id token only numbers
them.
"""

import httpx

from app.config import Config
from app.resilience.guard import Resource, guard
from app.resilience.memory import Memory
from app.shopify import tokens
from app.shopify.verify import Staff

DEADLINE_SECONDS = 1.5  # a save waits for it, and goes on with the number
PEOPLE_MAX = 10_000
NAME_LENGTH_MAX = 64
NAMES = Resource("staff names", DEADLINE_SECONDS, by_shop=True)
_names: Memory[tuple[str, str], str] = Memory(PEOPLE_MAX)


async def name(staff: Staff, id_token: str, client: httpx.AsyncClient, config: Config) -> str:
    """What to call this member of staff: the name, and where Shopify does not tell it, `Staff 42`.

    Asked once a process and person.
    """
    who = (staff.shop, staff.user_id)
    known = _names.get(who)
    if known is not None:
        return known

    async def nobody(_: Exception) -> str:
        return ""

    told = await guard(
        NAMES, lambda: _ask(staff, id_token, client, config), nobody, shop=staff.shop
    )
    if not told:
        return f"Staff {staff.user_id}"
    _names.put(who, told)
    return told


async def _ask(staff: Staff, id_token: str, client: httpx.AsyncClient, config: Config) -> str:
    try:
        told = await tokens.user_name(client, config, staff.shop, id_token)
    except (tokens.InvalidSubjectError, tokens.GrantRefusedError, tokens.GrantLostError):
        return ""  # it says nothing about Shopify, and a page needs no name
    return told[:NAME_LENGTH_MAX]
