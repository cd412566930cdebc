"""The dashboards one looks at first, and the list of all."""

from ops.grafana.panels import PAGES, WINDOW, Board, Query, figure, now, panel, quantiles, rate
from ops.grafana.parts import MERCHANT, SERVICE, STORES
from ops.grafana.programme import PROGRAMME

OVERVIEW = Board(
    "holdfast-overview",
    "Holdfast: overview",
    "What merchants and shoppers feel, and which part is down.",
    (
        (
            "Now",
            (
                figure("Parts that live", "sum(max by (process) (holdfast_part_alive))"),
                figure("Behind", "holdfast:behind_seconds", "s"),
                figure("Points held since", "max(holdfast_held_oldest_seconds)", "s"),
                figure(
                    "Set aside for good",
                    'sum(max by (service) (holdfast_dead_letters_waiting{state="dead"}))',
                ),
                figure("Log held up", "max(holdfast_log_held_up_seconds)", "s"),
                figure("Stores that answer", "sum(max by (store) (holdfast_store_answers))"),
            ),
        ),
        (
            "What was promised",
            (
                panel(
                    "Webhooks by what was answered",
                    rate("holdfast_webhooks_total", "outcome"),
                    unit="reqps",
                ),
                panel(
                    "Webhook answered",
                    *quantiles("holdfast_request_seconds", '{route="/webhooks"}'),
                    unit="s",
                    line=0.5,
                ),
                panel(
                    "For how long something waits to be seen",
                    Query("holdfast:behind_seconds", "behind"),
                    unit="s",
                    line=5.0,
                ),
                panel(
                    "Requests by how they ended",
                    Query(
                        f"sum by (status) (rate(holdfast_requests_total{{{PAGES}}}{WINDOW}))",
                        "{{status}}",
                    ),
                    unit="reqps",
                ),
                panel(
                    "Pages and the widget",
                    *quantiles("holdfast_request_seconds", f"{{{PAGES}}}"),
                    unit="s",
                    line=0.5,
                ),
                panel(
                    "Share not as promised, last five minutes",
                    Query("holdfast:webhooks_refused:share5m", "webhooks refused"),
                    Query("holdfast:webhooks_slow:share5m", "webhooks slow"),
                    Query("holdfast:behind:share5m", "time behind"),
                    Query("holdfast:pages_failed:share5m", "pages failed"),
                    Query("holdfast:pages_slow:share5m", "pages slow"),
                    unit="percentunit",
                ),
            ),
        ),
        (
            "Parts",
            (
                panel("Lives", now("holdfast_part_alive", "process"), line=1.0),
                panel(
                    "Since it was heard of",
                    now("holdfast_heartbeat_age_seconds", "process"),
                    unit="s",
                ),
                panel("Work and none finished", now("holdfast_stuck_seconds", "process"), unit="s"),
            ),
        ),
    ),
)

ROAD = Board(
    "holdfast-road",
    "Holdfast: the road",
    "From a webhook to its effect: admission, lanes, ingest, the log, services.",
    (
        (
            "Taken in",
            (
                panel(
                    "Made durable, a batch",
                    *quantiles("holdfast_road_seconds", '{stage="admit"}'),
                    unit="s",
                    line=0.06,
                ),
                panel("Waiting in lanes", Query("max(holdfast_lane_depth)", "webhooks")),
                panel("Shops that wait", Query("max(holdfast_lanes_waiting)", "shops")),
                panel(
                    "The oldest that waits",
                    Query("max(holdfast_lane_oldest_age_seconds)", "oldest"),
                    Query("max(holdfast_lane_overdue_seconds)", "beyond its pace"),
                    unit="s",
                ),
                panel("In Postgres meanwhile", Query("max(holdfast_spilled_webhooks)", "spilled")),
                panel(
                    "Drained by what became of them",
                    rate("holdfast_ingested_total", "outcome"),
                    unit="reqps",
                ),
            ),
        ),
        (
            "The log",
            (
                panel(
                    "Webhook to facts",
                    *quantiles("holdfast_road_seconds", '{stage="ingest"}'),
                    unit="s",
                    line=5.0,
                ),
                panel(
                    "Held up",
                    Query("max(holdfast_log_held_up_seconds)", "by an open transaction"),
                    unit="s",
                ),
                panel("Days made ahead", Query("max(holdfast_log_days_ahead)", "days")),
            ),
        ),
        (
            "Services",
            (
                panel(
                    "Facts to effect",
                    *quantiles("holdfast_road_seconds", '{stage="consume"}'),
                    unit="s",
                    line=5.0,
                ),
                panel(
                    "Webhook to visible effect, in time",
                    *(
                        Query(
                            f'sum by (service) (rate(holdfast_effect_seconds_bucket{{le="{le}"}}'
                            f"{WINDOW})) / sum by (service)"
                            f" (rate(holdfast_effect_seconds_count{WINDOW}))",
                            f"{{{{service}}}} within {words}",
                        )
                        for le, words in (("0.06", "60 ms"), ("0.5", "500 ms"), ("5.0", "5 s"))
                    ),
                    unit="percentunit",
                ),
                panel("Behind, facts", now("holdfast_consumer_lag_events", "service")),
                panel("Behind, oldest", now("holdfast_consumer_lag_seconds", "service"), unit="s"),
                panel(
                    "Handled",
                    Query(
                        f"sum by (service, outcome) (rate(holdfast_consumed_total{WINDOW}))",
                        "{{service}} {{outcome}}",
                    ),
                    unit="reqps",
                ),
                panel(
                    "Set aside, waiting and dead",
                    Query(
                        "max by (service, state) (holdfast_dead_letters_waiting)",
                        "{{service}} {{state}}",
                    ),
                ),
                panel("Jobs waiting", now("holdfast_queue_depth", "queue")),
            ),
        ),
        (
            "Points",
            (
                panel(
                    "Ledger rows by effect",
                    rate("holdfast_postings_total", "effect"),
                    unit="reqps",
                ),
                panel("Redemptions held", Query("max(holdfast_held_redemptions)", "held")),
                panel(
                    "Held since",
                    Query("max(holdfast_held_oldest_seconds)", "the oldest"),
                    unit="s",
                    line=60.0,
                ),
            ),
        ),
    ),
)

BOARDS = (OVERVIEW, ROAD, PROGRAMME, SERVICE, STORES, MERCHANT)
