"""What speaks against a referral, with its weight: to be allowed, looked at, or blocked."""

from typing import Literal, NamedTuple

import msgspec

from app import text
from app.referrals.claims import emails

Verdict = Literal["allow", "hold", "block"]
Stage = Literal["claim", "first", "order", "later"]
HOLD_AT = 50
BLOCK = 100  # alone it decides
ACCOUNT_DAYS = 7  # an account older than that, without an order: somebody who was here before
LINK_HOUR_MAX, LINK_DAY_MAX = 10, 30  # friends of a link, before somebody looks at them
AGENT_WEEK_MAX, IP_WEEK_MAX = 3, 10
ADDRESS_MAX = 2


class Reason(msgspec.Struct, frozen=True):
    """A rule that fired: what it says against a referral, in words for the merchant."""

    rule: str
    weight: int
    words: str
    stage: Stage = "claim"


class Claim(NamedTuple):
    """What is known when a friend claims; counts are of other friends, before this one."""

    advocate_id: str
    advocate_email: str
    friend_email: str
    signed_in_as: str = ""  # a customer id
    is_advocates_mailbox: bool = False  # by the shop's own records, whoever can be asked now
    is_signed_in_known: bool = False  # whoever is signed in has ordered before
    has_ordered: bool = False
    account_days: float = 0.0  # since when the friend has an account, if they have one
    is_advocates_device: bool = False
    is_advocates_agent: bool = False  # the same address on the internet, and browser
    is_advocates_ip: bool = False
    device_claims: int = 0
    agent_claims_week: int = 0
    ip_claims_week: int = 0
    link_claims_hour: int = 0
    link_claims_day: int = 0


class Bought(NamedTuple):
    """What is known when the friend has ordered."""

    advocate_id: str
    advocate_email: str
    advocate_name: str
    friend_email: str
    buyer_id: str
    buyer_email: str
    buyer_name: str
    is_advocates_mailbox: bool = False  # by the shop's own records
    has_ordered_before: bool = False  # before the claim
    is_advocates_address: bool = False
    address_referrals: int = 0  # others that were sent to the same address


def of_claim(claim: Claim) -> list[Reason]:
    """What speaks against a claim."""
    return [*_who(claim), *_where(claim), *_how_many(claim)]


def of_order(bought: Bought) -> list[Reason]:
    """What speaks against a referral once the friend's order is there."""
    return [*_whose(bought), *_to_where(bought)]


def judge(reasons: list[Reason]) -> tuple[Verdict, int]:
    """What all reasons together come to, and their sum."""
    score = sum(one.weight for one in reasons)
    if any(one.weight >= BLOCK for one in reasons):
        return "block", score
    return ("hold" if score >= HOLD_AT else "allow"), score


def _who(claim: Claim) -> list[Reason]:
    found = []
    if claim.signed_in_as and claim.signed_in_as == claim.advocate_id:
        found.append(Reason("own_account", BLOCK, "The advocate was signed in when claiming."))
    if claim.is_advocates_mailbox or _is_one(claim.friend_email, claim.advocate_email):
        found.append(Reason("own_email", BLOCK, "The friend has the advocate's e-mail address."))
    elif _are_similar(claim.friend_email, claim.advocate_email):
        words = "The friend's e-mail address is nearly the advocate's."
        found.append(Reason("similar_email", 50, words))
    if claim.has_ordered:
        found.append(Reason("known_customer", BLOCK, "The friend had ordered here before."))
    elif claim.is_signed_in_known:
        words = "Whoever claimed was signed in as a customer who had ordered here before."
        found.append(Reason("signed_in_known", 50, words))
    elif claim.account_days > ACCOUNT_DAYS:
        words = f"The friend has had an account for {claim.account_days:.0f} days."
        found.append(Reason("known_account", 15, words))
    if emails.is_disposable(claim.friend_email):
        found.append(Reason("disposable", 60, "The friend's mailbox is one that ends by itself."))
    return found


def _where(claim: Claim) -> list[Reason]:
    found = []
    if claim.is_advocates_device:
        words = "The claim was made with the advocate's own device."
        found.append(Reason("advocates_device", BLOCK, words))
    elif claim.is_advocates_agent:
        words = "The claim came from the advocate's internet connection and kind of browser."
        found.append(Reason("advocates_agent", 40, words))
    elif claim.is_advocates_ip:
        words = "The claim came from the advocate's internet connection."
        found.append(Reason("advocates_ip", 15, words))
    return found


def _how_many(claim: Claim) -> list[Reason]:
    found = []

    def add(rule: str, weight: int, words: str) -> None:
        found.append(Reason(rule, weight, words))

    if claim.device_claims:
        add("shared_device", 50, "Another friend claimed an offer with the same device.")
    if claim.agent_claims_week >= AGENT_WEEK_MAX:
        number = claim.agent_claims_week
        add("many_of_agent", 40, f"{number} claims of one connection and browser in a week.")
    if claim.ip_claims_week >= IP_WEEK_MAX:
        add("many_of_ip", 50, f"{claim.ip_claims_week} claims of one connection in a week.")
    if claim.link_claims_hour >= LINK_HOUR_MAX:
        add("many_of_link", 50, f"{claim.link_claims_hour} friends claimed this link in an hour.")
    elif claim.link_claims_day >= LINK_DAY_MAX:
        add("many_of_link", 50, f"{claim.link_claims_day} friends claimed this link in a day.")
    return found


def _whose(bought: Bought) -> list[Reason]:
    found = []
    if bought.buyer_id and bought.buyer_id == bought.advocate_id:
        words = "The advocate ordered with the code themselves."
        found.append(Reason("own_order", BLOCK, words, "order"))
    elif bought.is_advocates_mailbox or _is_one(bought.buyer_email, bought.advocate_email):
        words = "The order has the advocate's own e-mail address."
        found.append(Reason("own_order", BLOCK, words, "order"))
    elif _are_similar(bought.buyer_email, bought.advocate_email):
        words = "The order's e-mail address is nearly the advocate's."
        found.append(Reason("similar_buyer", 50, words, "order"))
    if bought.has_ordered_before:
        words = "Whoever ordered had ordered before they claimed the offer."
        found.append(Reason("known_buyer", BLOCK, words, "order"))
    name, own = text.fold(bought.buyer_name), text.fold(bought.advocate_name)
    if name and name == own:
        words = "The order and the advocate have the same name."
        found.append(Reason("same_name", 40, words, "order"))
    return found


def _to_where(bought: Bought) -> list[Reason]:
    found = []
    if bought.is_advocates_address:
        words = "The order goes to the address of the advocate's own orders."
        found.append(Reason("advocates_address", 50, words, "order"))
    if bought.address_referrals >= ADDRESS_MAX:
        words = f"{bought.address_referrals} other referred orders went to the same address."
        found.append(Reason("shared_address", 50, words, "order"))
    is_known = bool(bought.friend_email and bought.buyer_email)
    if is_known and not _is_one(bought.friend_email, bought.buyer_email):
        words = "The order has another e-mail address than the claim."
        found.append(Reason("other_address", 10, words, "order"))
    return found


def _is_one(one: str, other: str) -> bool:
    return bool(one and other) and emails.mailbox(one) == emails.mailbox(other) != ""


def _are_similar(one: str, other: str) -> bool:
    return bool(one and other) and emails.are_similar(one, other)
