"""Gives filled shops a whole programme: tiers, rewards of every kind, ways to earn, twenty running
campaigns, referrals and a look, and what a large shop has of each after a year.
"""

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from app.campaigns import actions as campaigns
from app.core.looks import actions as looks
from app.core.looks.views import Look
from app.own_facts import Campaign
from app.points.rewards import offers
from app.points.rewards.rules import Choose, Details
from app.points.tiers import actions as tiers
from app.points.tiers.rules import Scheme, Tier
from app.points.ways import actions as ways
from app.referrals.settings import actions as referrals
from app.referrals.views import Settings
from benchmarks.campaigns import RUNNING, campaign, tell, told

BY = "bench"
PERIOD_DAYS = 400  # longer ago than the oldest order: each counts
TIERS = Scheme(
    period="rolling",
    days=PERIOD_DAYS,
    tiers=[
        Tier(f"t{at}", f"Tier {at}", least, 10_000 + 1_000 * at, ["Free returns", "A birthday tea"])
        for at, least in enumerate((0, 100, 200, 300, 400))
    ],
)
DRAFTS = 60
REWARDS: dict[str, dict[str, Any]] = {
    "amount_off": {"amount_off": "5", "details": Details(code_days=30, minimum="20")},
    "percent_off": {"details": Details(percent="10", code_days=30, per_customer=3)},
    "free_shipping": {"details": Details(code_days=30)},
    "free_product": {"amount_off": "20", "details": Details(products=["632910392"], code_days=30)},
    "store_credit": {
        "details": Details(
            choose=Choose(100, "1.00", least=500, most=5_000, step=100), code_days=365
        )
    },
    "gift_card": {"amount_off": "25", "details": Details(tiers=["t3", "t4"], code_days=365)},
}
WAYS: dict[str, dict[str, Any]] = {
    "account": {"title": "Create an account", "points": 100},
    "newsletter": {"title": "Subscribe to our e-mails", "points": 50},
    "birthday": {"title": "Celebrate your birthday", "points": 100},
    "follow": {"title": "Follow us", "points": 20, "url": "https://instagram.com/bench"},
    "action": {
        "title": "Write a review",
        "points": 50,
        "handle": "review",
        "per": "month",
        "times": 2,
    },
}
# of so many members of every hundred there is something
LINKS, CLAIMS, BIRTHDAYS, CODES, WELCOMES = 10, 10, 30, 20, 20
VISIT_DAYS = 5  # of a link
LETTERS = 2_000  # set aside, in each shop
# What members have, as if the worker had placed and rewarded them; $1 is the shop.
OF_MEMBERS = (
    """
INSERT INTO qualifying (shop, member_id, source, at, points, spend, orders)
SELECT shop, member_id, source, effective_at, points, points * 1000000, 1 FROM ledger
 WHERE shop = $1
""",
    f"""
INSERT INTO tier_standings (shop, member_id, tier_id, version, have, peak, changed_at, due_at)
SELECT $1, id, 't' || least(4, available / 100), 1, available, available, joined_at,
       ((first.at AT TIME ZONE 'Asia/Kolkata')::date + {2 * PERIOD_DAYS})::timestamp
           AT TIME ZONE 'Asia/Kolkata'
  FROM members JOIN (SELECT member_id, min(effective_at) AS at FROM ledger WHERE shop = $1
                      GROUP BY member_id) AS first ON first.member_id = members.id
""",
    """
INSERT INTO tier_changes (shop, member_id, at, before_id, tier_id, tier, version, cause, why,
                          recorded_at)
SELECT shop, member_id, changed_at, 't0', tier_id, 'Tier ' || substr(tier_id, 2), 1, 'order',
       'Order #1 brought them here.', changed_at
  FROM tier_standings WHERE shop = $1 AND tier_id <> 't0'
""",
    f"""
INSERT INTO redemptions (id, shop, member_id, customer_id, reward_id, title, points, amount_off,
                         idempotency_key, request_hash, code, discount_gid, state, reason,
                         allocations, attempts, tries_sent, give_up_at, request_id,
                         created_at, updated_at)
SELECT gen_random_uuid(), shop, id, customer_id, 1, 'A welcome', 0, 5, 'welcome', '',
       upper(substr(md5(id::text), 1, 12)), '', 'captured', '', '[]', 1, 1, now(), '',
       joined_at, joined_at
  FROM members WHERE shop = $1 AND id % 100 < {CODES}
""",
    f"""
INSERT INTO saga_steps (shop, saga, subject, customer_id, step, state, words, at, tries)
SELECT shop, 'welcome', customer_id, customer_id, step, 'done', 'It is done.', joined_at, 0
  FROM members, unnest(ARRAY['member', 'points', 'claim', 'welcomed']) AS step
 WHERE shop = $1 AND id % 100 < {WELCOMES}
""",
    f"""
INSERT INTO birthdays (shop, customer_id, month_day, created_at)
SELECT shop, customer_id, to_char(date '2000-01-01' + (id % 366)::int, 'MM-DD'), joined_at
  FROM members WHERE shop = $1 AND id % 100 < {BIRTHDAYS}
""",
    f"""
INSERT INTO referral_links (shop, customer_id, advocate_id, code, status, asked_at, made_at)
SELECT shop, customer_id, customer_id, substr(md5('link' || id), 1, 10), 'ready', joined_at,
       joined_at
  FROM members WHERE shop = $1 AND (id % 100 < {LINKS} OR customer_id = '7000000001')
""",
    f"""
INSERT INTO referral_visits (shop, link_id, day, visits)
SELECT shop, id, current_date - ((id * 7 + number * 11) % 90)::int, 1 + id % 4
  FROM referral_links, generate_series(1, {VISIT_DAYS}) AS number WHERE shop = $1
ON CONFLICT DO NOTHING
""",
    """
INSERT INTO referral_people (shop, person, email_key, known_at, first_order_at)
SELECT shop, 'customer:' || customer_id, md5(customer_id), joined_at, joined_at
  FROM members WHERE shop = $1
""",
    f"""
INSERT INTO referrals (shop, link_id, advocate_id, friend_email, friend_key, friend_id, state,
                       verdict, score, reasons, decided_by, known, offer, code, code_state,
                       code_round, code_reason, discount_gid, attempts, order_id, order_name,
                       rounds, request_id, claimed_at, updated_at, completed_at, order_net)
SELECT friend.shop, link.id, link.advocate_id, 'f' || friend.customer_id || '@example.com',
       md5('friend' || friend.id), friend.customer_id, chosen.state, chosen.verdict,
       CASE chosen.verdict WHEN 'hold' THEN 60 ELSE 0 END,
       CASE chosen.verdict WHEN 'allow' THEN '[]' ELSE
       '[{{"rule":"ip","weight":60,"words":"The same internet connection.","stage":"claim"}}]'
       END::jsonb, '', '{{}}', $2::jsonb, 'F-' || upper(substr(md5('code' || friend.id), 1, 10)),
       'made', 0, '', '', 1,
       CASE WHEN chosen.state = 'completed' THEN 'f' || friend.id ELSE '' END,
       CASE WHEN chosen.state = 'completed' THEN '#' || friend.id ELSE '' END,
       CASE WHEN chosen.state = 'completed' THEN 1 ELSE 0 END, '', claim.at, claim.at,
       CASE WHEN chosen.state = 'completed' THEN claim.at + interval '14 days' END, 49
  FROM (SELECT *, row_number() OVER (ORDER BY id) AS number FROM members
         WHERE shop = $1 AND id % 100 >= {100 - CLAIMS}) AS friend
  JOIN (SELECT id, advocate_id, row_number() OVER (ORDER BY id) AS number,
               count(*) OVER () AS links
          FROM referral_links WHERE shop = $1) AS link
    ON link.number = friend.number % link.links + 1
 CROSS JOIN LATERAL (SELECT now() - friend.number % 720 * interval '1 day' AS at) AS claim
 CROSS JOIN LATERAL (
       SELECT (ARRAY['completed', 'completed', 'claimed', 'lapsed'])[1 + friend.number % 4]
              AS state,
              CASE WHEN friend.number % 4 = 2 AND friend.number % 100 < 12 THEN 'hold'
                   WHEN friend.number % 100 = 50 THEN 'block' ELSE 'allow' END AS verdict) AS chosen
""",
    f"""
INSERT INTO dead_letters (service, shop, topic, reference, payload, state, reason, attempts,
                          history, proof, created_at, updated_at)
SELECT 'points', $1, 'order.paid', 'letter-' || number, convert_to('{{"order_id": "1"}}', 'UTF8'),
       'dead', 'An amount is not a number.', 5, '[]', '', now(), now()
  FROM generate_series(1, {LETTERS}) AS number
""",
    """
INSERT INTO referral_events (shop, referral_id, kind, by, words, at)
SELECT shop, id, kind, '', 'It happened.', claimed_at
  FROM referrals, unnest(ARRAY['claimed', 'code']) AS kind WHERE shop = $1
""",
)
STAGE = "SELECT stage FROM tier_shops WHERE shop = $1"
# the worker would place everybody first; what is above says where they stand
PLACED = "UPDATE tier_shops SET stage = 'done', ended_at = now() WHERE shop = $1"
TABLES = (
    "qualifying, tier_standings, tier_changes, redemptions, saga_steps, birthdays, referral_links, "
    "referral_visits, referral_people, referrals, referral_events, campaigns, campaign_versions, "
    "campaign_copies, rewards, ways"
)


async def configure(url: str, shops: Iterable[str]) -> None:
    """The programme of these shops, whose members are there; the stores are open."""
    connection = await asyncpg.connect(url)
    await connection.execute("SET synchronous_commit = off; SET work_mem = '256MB'")
    for shop in shops:
        started = time.perf_counter()
        stage = await connection.fetchval(STAGE, shop)
        if stage == "done":
            continue  # an earlier call came so far
        if stage is None:
            await rules(shop)
        offer = msgspec.json.encode(Settings(is_on=True)).decode()
        async with connection.transaction():
            for statement in OF_MEMBERS:
                given = (shop, offer) if "$2" in statement else (shop,)
                await connection.execute(statement, *given)
            await connection.execute(PLACED, shop)
        print(f"a programme for {shop:24} {time.perf_counter() - started:6.1f} s", flush=True)
    await connection.execute(f"VACUUM ANALYZE {TABLES}")
    await connection.close()


async def rules(shop: str) -> None:
    """What the merchant sets, by the actions of the pages."""
    await tiers.save(shop, TIERS, BY)
    for kind, fields in REWARDS.items():
        title = kind.replace("_", " ").capitalize()
        await offers.save_reward(shop, None, title, 300, kind=kind, **fields)
    for kind, fields in WAYS.items():
        await ways.make(shop, kind, fields, BY)
    switched_on = {**msgspec.structs.asdict(Settings()), "is_on": True}
    await referrals.edit(shop, switched_on, BY, None)
    await looks.save_look(shop, Look(accent="#123456"), BY, None)
    await looks.note_seen(shop)
    for number in range(RUNNING + DRAFTS):
        made = await campaigns.make(shop, _campaign(number), key=f"c{number}", by=BY)
        if number < RUNNING:
            made = await campaigns.set_state(shop, made.campaign_id, "live", BY)
            await tell([told(shop, made)])


def _campaign(number: int) -> Campaign:
    now = datetime.now(UTC)
    return msgspec.structs.replace(
        campaign(number),
        starts_at=now - timedelta(days=1),
        ends_at=now + timedelta(days=30 + number),
        value=str(1.5 + number % 3 / 2),
        budget=1_000_000,
        text="{value} times the points until {ends}",
    )
