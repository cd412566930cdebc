"""The only list of flags: what each guards, who answers for it, and what holds until an operator
says otherwise.
"""

import hashlib
from datetime import date, datetime
from typing import NamedTuple

FULL = 10_000  # a share is of ten thousand
STALE_DAYS = 90


class Flag(NamedTuple):
    """`share_in_10000` of the shops have it where nobody has said anything. A switch stays for
    good, for bad days; any other flag goes once all or nobody has what it guards.
    """

    key: str
    guards: str
    owner: str
    since: date
    share_in_10000: int = FULL
    is_switch: bool = False


class Setting(NamedTuple):
    """What operators have said of a flag; version 0 is that nobody has said anything."""

    key: str
    is_enabled: bool
    share_in_10000: int
    shops_on: frozenset[str] = frozenset()
    shops_off: frozenset[str] = frozenset()
    version: int = 0
    changed_by: str = ""
    changed_at: datetime | None = None


BORROWING = Flag(
    "lane-borrowing",
    "A merchant beyond its pace takes what nobody else waits for. Off: each keeps to its own pace.",
    "road",
    date(2026, 11, 27),
    is_switch=True,
)
SHORT_WAY = Flag(
    "short-way",
    "Webhooks are answered within the HTTP protocol. Off: all go through the app, at more cost.",
    "road",
    date(2026, 11, 27),
    is_switch=True,
)
POLARIS = Flag(
    "polaris",
    "Admin pages are drawn in Polaris from Shopify. Off: the same pages in plain HTML.",
    "pages",
    date(2026, 11, 27),
    is_switch=True,
)
REDEEMING = Flag(
    "redeeming",
    "Shoppers redeem points for codes. Off: they are told to come back; points stay theirs.",
    "points",
    date(2026, 11, 27),
    is_switch=True,
)
MANY_CHANGED = Flag(
    "bulk-changes",
    "One change of points for many customers goes on. Off: it stands still, and goes on later.",
    "points",
    date(2026, 11, 27),
    is_switch=True,
)
RETRANSLATION = Flag(
    "retranslation",
    "Facts of old webhooks are told again with --apply. Off: it stops, and can go on later.",
    "road",
    date(2026, 11, 27),
    is_switch=True,
)
RECONCILIATION = Flag(
    "reconciliation",
    "Shopify is asked what never arrived here, and it is told again. Off: nothing is looked for.",
    "core",
    date(2026, 11, 27),
    is_switch=True,
)
GIFT_CARDS = Flag(
    "gift-cards",
    "Points become gift cards. Off: none is begun or made; what waited 10 minutes is given back.",
    "points",
    date(2026, 11, 27),
    is_switch=True,
)
STORE_CREDIT = Flag(
    "store-credit",
    "Points become store credit. Off: none is begun or made; what waited 10 minutes is given back.",
    "points",
    date(2026, 11, 27),
    is_switch=True,
)
FREE_PRODUCTS = Flag(
    "free-products",
    "Points become products. Off: none is begun or made; what waited 10 minutes is given back.",
    "points",
    date(2026, 11, 27),
    is_switch=True,
)
LATE_BONUSES = Flag(
    "late-bonuses",
    "Orders get the bonus of a campaign that was told late. Off: they get it once it is on again.",
    "points",
    date(2026, 11, 27),
    is_switch=True,
)
WHAT_IF = Flag(
    "what-if",
    "Campaigns are tried on past orders. Off: for all shops; what was asked waits, and goes on.",
    "points",
    date(2026, 11, 27),
    is_switch=True,
)
FRIEND_CODES = Flag(
    "friend-codes",
    "Friends get their codes made at Shopify. Off: they wait; codes to be ended are ended.",
    "referrals",
    date(2026, 11, 27),
    is_switch=True,
)
REFERRAL_REWARDS = Flag(
    "referral-rewards",
    "Advocates are rewarded when it is time. Off: rewards wait, and come once it is on again.",
    "referrals",
    date(2026, 11, 27),
    is_switch=True,
)
FLAGS = {
    one.key: one
    for one in (
        BORROWING,
        SHORT_WAY,
        POLARIS,
        REDEEMING,
        GIFT_CARDS,
        STORE_CREDIT,
        FREE_PRODUCTS,
        MANY_CHANGED,
        LATE_BONUSES,
        WHAT_IF,
        FRIEND_CODES,
        REFERRAL_REWARDS,
        RETRANSLATION,
        RECONCILIATION,
    )
}


def default(flag: Flag) -> Setting:
    """What holds of a flag nobody has said anything of."""
    return Setting(flag.key, is_enabled=True, share_in_10000=flag.share_in_10000)


def is_given(setting: Setting, shop: str) -> bool:
    """Whether the shop has what the flag guards. What is of no shop ("") has it only where all
    have.
    """
    if not setting.is_enabled or shop in setting.shops_off:
        return False
    if setting.share_in_10000 >= FULL or shop in setting.shops_on:
        return True
    return bool(shop) and bucket(setting.key, shop) < setting.share_in_10000


def bucket(key: str, shop: str) -> int:
    """Where the shop stands, from 0 to 9,999: the same for ever, and another one for each flag."""
    digest = hashlib.sha256(f"{key}:{shop}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % FULL


def stale_days(flag: Flag, setting: Setting, today: date) -> int:
    """For how many days a flag that should go has been at nobody or at all; 0 while that is no
    more than STALE_DAYS, and for a switch.
    """
    is_settled = not setting.is_enabled or setting.share_in_10000 in {0, FULL}
    if flag.is_switch or not is_settled or setting.shops_on or setting.shops_off:
        return 0
    since = setting.changed_at.date() if setting.changed_at else flag.since
    days = (today - since).days
    return days if days > STALE_DAYS else 0
