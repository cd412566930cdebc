"""Facts in: accounts, e-mail consents and referrals become points, a batch of facts at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from app.db import Connection
from app.facts import CustomerChanged, CustomerDeleted
from app.flow.event import Event
from app.own_facts import (
    CustomerConsented,
    ReferralCompleted,
    ReferralCreated,
    ReferralReversed,
)
from app.points import facts, steps, welcome
from app.points.earning import terms
from app.points.earning.rules import Terms
from app.points.ledger.accounts import Account, Key
from app.points.ledger.posting import Batch
from app.points.ways import actions, awards, forgetting, giving, referrals, rules
from app.points.ways.referrals import Referral
from app.points.ways.rules import Way

CREATED, CONSENTED, DELETED = "customer.created", "customer.consented", "customer.deleted"
CLAIMED, COMPLETED, REVERSED = "referral.created", "referral.completed", "referral.reversed"
ASKED = "compliance.requested"
TOPICS = frozenset({CREATED, CONSENTED, DELETED, CLAIMED, COMPLETED, REVERSED, ASKED})
# an account that Shopify tells of later than this is not greeted as a new one
NEW = timedelta(days=7)
_created = msgspec.json.Decoder(CustomerChanged)
_consented = msgspec.json.Decoder(CustomerConsented)
_deleted = msgspec.json.Decoder(CustomerDeleted)
_claimed = msgspec.json.Decoder(ReferralCreated)
_completed = msgspec.json.Decoder(ReferralCompleted)
_reversed = msgspec.json.Decoder(ReferralReversed)


class Wish(NamedTuple):
    """What may give points to a customer: a single way, and when it happened."""

    kind: str
    shop: str
    customer_id: str
    at: datetime

    @property
    def member(self) -> Key:
        return self.shop, self.customer_id

    @property
    def key(self) -> Key:
        """What tells it from others where terms are asked for."""
        return self.shop, f"{self.kind}:{self.customer_id}"


@dataclass(slots=True)
class News:
    """What a batch says of ways to earn, by shop and customer or referral."""

    wishes: dict[Key, Wish] = field(default_factory=dict)
    claims: list[tuple[str, ReferralCreated, datetime]] = field(default_factory=list)
    referrals: dict[Key, Referral] = field(default_factory=dict)
    deleted: set[Key] = field(default_factory=set)
    requests: list[Event] = field(default_factory=list)


async def follow(conn: Connection, events: Sequence[Event], now: datetime) -> dict[int, Account]:
    """Give and take back what `events` say, in the transaction open on `conn`; whose balances
    changed. Facts that come again change nothing.

    Raises msgspec.DecodeError or BadInputError for the first that cannot be used, FrozenError.
    """
    mine = [event for event in events if event.topic in TOPICS]
    if not mine:
        return {}
    news = _read(mine, now)
    moved: dict[int, Account] = {}
    wishes = [one for one in news.wishes.values() if one.member not in news.deleted]
    if wishes:
        moved |= await _give(conn, wishes, now)
    if news.claims:
        await welcome.attach(conn, news.claims)
    if news.referrals:
        moved |= await referrals.follow(conn, news.referrals, now)
    if news.deleted or news.requests:
        await forgetting.forget(conn, news.deleted, news.requests)
    return moved


def _read(events: Sequence[Event], now: datetime) -> News:
    news = News()
    for event in events:
        if event.topic == CREATED:
            created = _created.decode(event.data)
            at = facts.moment(created.updated_at, event, now)
            _wish(news, Wish("account", event.shop, created.customer_id, at))
        elif event.topic == CONSENTED:
            consented = _consented.decode(event.data)
            if consented.is_subscribed:
                at = facts.moment(consented.at, event, now)
                _wish(news, Wish("newsletter", event.shop, consented.customer_id, at))
        elif event.topic == CLAIMED:
            claimed = _claimed.decode(event.data)
            if claimed.friend_id:
                at = facts.moment(claimed.at, event, now)
                news.claims.append((event.shop, claimed, at))
        elif event.topic == COMPLETED:
            done = _completed.decode(event.data)
            referrals.complete(news.referrals, event, done, facts.moment(done.at, event, now))
        elif event.topic == REVERSED:
            undone = _reversed.decode(event.data)
            referrals.reverse(news.referrals, event, undone, facts.moment(undone.at, event, now))
        elif event.topic == DELETED:
            news.deleted.add((event.shop, _deleted.decode(event.data).customer_id))
        else:
            news.requests.append(event)
    return news


def _wish(news: News, wish: Wish) -> None:
    """Of two the earlier one counts."""
    known = news.wishes.get(wish.key)
    if known is None or wish.at < known.at:
        news.wishes[wish.key] = wish


async def _give(conn: Connection, wishes: Sequence[Wish], now: datetime) -> dict[int, Account]:
    """Points for accounts and consents, and the welcome of new accounts."""
    found = await giving.of_kinds(conn, [(one.shop, one.kind, one.at) for one in wishes])
    ways = {wishes[place].key: way for place, way in found.items()}
    wishes = [one for one in wishes if one.key in ways or _is_welcome(one, now)]
    if not wishes:
        return {}
    rules_then = await _terms(conn, wishes)
    batch = Batch(now)
    members = [one.member for one in wishes]
    await batch.lock(conn, members)
    await batch.make(conn, members)
    await batch.follow_merged(conn)
    accounts = {key: batch.account(batch.by_customer[key].id) for key in members}
    ids = {one.id for one in accounts.values() if one is not None}
    had = await awards.given(conn, ids, ("account", "newsletter"))
    given: list[tuple[int, int]] = []
    noted: list[steps.Step] = []
    extras = giving.Extras(conn)
    for wish in wishes:
        account, then = accounts[wish.member], rules_then[wish.key]
        assert account is not None
        points, is_live = 0, then.state == "live"
        what = f"way:{wish.kind}"
        if is_live and what not in had.get(account.id, set()):
            way = ways.get(wish.key) or _nothing(wish)
            bonuses, why = [], dict[str, str]()
            if wish.kind == "account":
                bonuses = await extras.of(account, "account", way.points, wish.at)
                why = extras.why(wish.shop)
            if way.points or bonuses:
                had.setdefault(account.id, set()).add(what)
                source = rules.source(way, account.customer_id, "")
                points = giving.add(batch, account, way, source, why, wish.at, then, bonuses)
                given.append((way.id, points))
        if wish.kind == "account" and is_live and _is_welcome(wish, now):
            noted += welcome.begun(wish.shop, wish.customer_id, points, wish.at, now)
    await batch.write(conn)
    await steps.note(conn, noted)
    await giving.count(conn, given)
    return batch.moved


def _nothing(wish: Wish) -> Way:
    """A way that gives nothing by itself: campaigns may add to it all the same."""
    title = actions.TITLES[wish.kind]
    return Way(0, wish.shop, wish.kind, "", title, 0, "once", 1, "", is_active=True, version=0)


def _is_welcome(wish: Wish, now: datetime) -> bool:
    return wish.kind == "account" and now - wish.at < NEW


async def _terms(conn: Connection, wishes: Sequence[Wish]) -> Mapping[Key, Terms]:
    """The terms in force when each of them happened."""
    today = await terms.of_shops(conn, {one.shop for one in wishes})
    wanted: dict[Key, Any] = {one.key: one.at for one in wishes}
    earlier = await terms.at(conn, today, wanted)
    return {key: earlier.get(key) or today[key[0]] for key in wanted}
