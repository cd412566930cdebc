"""The dashboard of the programme: what points, rewards, tiers, ways, campaigns and referrals do."""

from ops.grafana.panels import WINDOW, Board, Query, figure, panel, rate


def told(which: str) -> Query:
    """Facts a second by their topic."""
    return Query(
        f'sum by (topic) (rate(holdfast_facts_total{{topic=~"{which}"}}{WINDOW}))', "{{topic}}"
    )


PROGRAMME = Board(
    "holdfast-programme",
    "Holdfast: the programme",
    "What shoppers get: points, rewards, tiers, campaigns, referrals; and what of it waits.",
    (
        (
            "Now",
            (
                figure("Campaigns live", 'max(holdfast_campaigns{state="live"})'),
                figure("Redemptions held", "max(holdfast_held_redemptions)"),
                figure("Links queued", "max(holdfast_referral_links_queued)"),
                figure("Shops placing members", "max(holdfast_tier_placings)"),
                figure("Birthdays behind", "max(holdfast_birthdays_behind_seconds)", "s"),
                figure("Members frozen", "sum(holdfast_frozen_members_total)"),
            ),
        ),
        (
            "What happens",
            (
                panel("Facts from Shopify", told("order.*|customer.*|shop.*"), unit="reqps"),
                panel("Points and tiers", told("points.*|tier.*"), unit="reqps"),
                panel("Campaigns and referrals", told("campaign.*|referral.*"), unit="reqps"),
                panel(
                    "Ledger rows by effect", rate("holdfast_postings_total", "effect"), unit="reqps"
                ),
                panel(
                    "What shoppers ask for",
                    Query(
                        "sum by (route) (rate(holdfast_requests_total"
                        f'{{route=~"/(storefront|checkout)/.*"}}{WINDOW}))',
                        "{{route}}",
                    ),
                    unit="reqps",
                ),
                panel(
                    "Limits asked",
                    Query(
                        f"sum by (name, outcome) (rate(holdfast_limits_total{WINDOW}))",
                        "{{name}} {{outcome}}",
                    ),
                    unit="reqps",
                ),
            ),
        ),
        (
            "What waits",
            (
                panel(
                    "Rewards",
                    Query("max(holdfast_held_oldest_seconds)", "points held"),
                    Query("max(holdfast_steps_behind_seconds)", "a step"),
                    unit="s",
                    line=60.0,
                ),
                panel(
                    "Referrals",
                    Query("max(holdfast_referral_link_oldest_seconds)", "a link"),
                    Query("max(holdfast_referral_codes_behind_seconds)", "a code"),
                    Query("max(holdfast_referral_rewards_behind_seconds)", "a reward"),
                    unit="s",
                ),
                panel(
                    "Tiers and birthdays",
                    Query("max(holdfast_tier_placing_oldest_seconds)", "placing members"),
                    Query("max(holdfast_birthdays_behind_seconds)", "birthdays"),
                    unit="s",
                ),
            ),
        ),
    ),
)
