"""`python -m tests.referrals.corpus`: what the rules make of labelled referrals, honest and not.

The lines of `corpus.jsonl` were written from what people really do, with a label and the reason
for it, and know nothing of the rules. Each is a claim, what was known around it, and mostly an
order.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from app.referrals.claims import rules
from app.referrals.claims.rules import Bought, Claim, Reason
from app.referrals.orders.rules import household

LINES = Path(__file__).with_suffix(".jsonl")


class Judged(NamedTuple):
    """A line of the corpus, and what the rules make of it."""

    line: dict[str, Any]
    verdict: str
    reasons: list[Reason]

    @property
    def is_honest(self) -> bool:
        return self.line["label"] == "honest"


class Figures(NamedTuple):
    """How many of the dishonest are stopped, how many of the honest are; shares of 1."""

    honest: int
    dishonest: int
    recall: float  # dishonest that were held or blocked
    recall_catchable: float  # of those that leave a trace any shop could see
    false_holds: float  # honest that wait for a look
    false_blocks: float  # honest that are refused
    precision: float  # of all that were stopped, the dishonest


# who pays accomplices elsewhere leaves nothing that a shop could see
TRACELESS = frozenset({"clean"})


def lines() -> list[dict[str, Any]]:
    with LINES.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def judge(line: dict[str, Any]) -> Judged:
    """What the rules say of a line, as the service asks them: at the claim, then at the order."""
    advocate, claim, crowd, friend = (
        line[name] for name in ("advocate", "claim", "crowd", "friend")
    )
    is_ip = claim["ip"] == advocate["ip"]
    reasons = rules.of_claim(
        Claim(
            advocate["id"],
            advocate["email"],
            claim["email"],
            claim["signed_in"],
            has_ordered=friend["ordered_days_ago"] is not None,
            account_days=friend["account_days"] or 0,
            is_advocates_device=claim["device"] == advocate["device"],
            is_advocates_agent=is_ip and claim["agent"] == advocate["agent"],
            is_advocates_ip=is_ip,
            device_claims=crowd["device"],
            agent_claims_week=crowd["agent_week"],
            ip_claims_week=crowd["ip_week"],
            link_claims_hour=crowd["link_hour"],
            link_claims_day=crowd["link_day"],
        )
    )
    order = line["order"]
    if order and rules.judge(reasons)[0] == "allow":
        same = household(order["address"]) == household(advocate["address"])
        reasons += rules.of_order(
            Bought(
                advocate["id"],
                advocate["email"],
                advocate["name"],
                claim["email"],
                order["customer"],
                order["email"],
                order["name"],
                has_ordered_before=order.get("ordered_before", False),
                is_advocates_address=same,
                address_referrals=crowd["address"],
            )
        )
    return Judged(line, rules.judge(reasons)[0], reasons)


def figures(judged: list[Judged]) -> Figures:
    honest = [one for one in judged if one.is_honest]
    dishonest = [one for one in judged if not one.is_honest]
    stopped = [one for one in dishonest if one.verdict != "allow"]
    catchable = [one for one in dishonest if one.line["pattern"] not in TRACELESS]
    held = sum(one.verdict == "hold" for one in honest)
    blocked = sum(one.verdict == "block" for one in honest)
    return Figures(
        len(honest),
        len(dishonest),
        len(stopped) / len(dishonest),
        sum(one.verdict != "allow" for one in catchable) / len(catchable),
        held / len(honest),
        blocked / len(honest),
        len(stopped) / (len(stopped) + held + blocked),
    )


def main() -> None:
    judged = [judge(line) for line in lines()]
    found = figures(judged)
    print(f"{found.honest} honest, {found.dishonest} dishonest")
    print(f"dishonest held or blocked   {found.recall:.1%}")
    print(f"  of those that leave a trace  {found.recall_catchable:.1%}")
    print(f"honest held for a look      {found.false_holds:.1%}")
    print(f"honest blocked              {found.false_blocks:.1%}")
    print(f"stopped that were dishonest {found.precision:.1%}")
    for label, wrong in (("honest, stopped", True), ("dishonest, allowed", False)):
        print(f"\n{label}")
        counts = Counter(
            (one.line["pattern"], one.verdict)
            for one in judged
            if one.is_honest == wrong and (one.verdict != "allow") == wrong
        )
        for (pattern, verdict), number in sorted(counts.items()):
            print(f"  {number:3}  {pattern}: {verdict}")
    print("\nif the sum from which a referral waits were another one")
    for limit in (30, 40, 50, 60, 70, 90):
        again = [one._replace(verdict=_at(one, limit)) for one in judged]
        other = figures(again)
        print(
            f"  {limit:3}: {other.recall:.1%} of the dishonest stopped, "
            f"{other.false_holds:.1%} of the honest held"
        )


def _at(one: Judged, limit: int) -> str:
    if any(reason.weight >= rules.BLOCK for reason in one.reasons):
        return "block"
    return "hold" if sum(reason.weight for reason in one.reasons) >= limit else "allow"


if __name__ == "__main__":
    main()
