"""The dashboards one looks into: a part by itself, the stores, a merchant by the log."""

from app.services import PROCESSES, SERVICES
from ops.grafana.panels import (
    WINDOW,
    Board,
    Query,
    Variable,
    figure,
    now,
    panel,
    quantiles,
    rate,
)

SERVICE = Board(
    "holdfast-service",
    "Holdfast: a service",
    "One part by itself: whether it lives, what it does, what it needs for that.",
    (
        (
            "$process",
            (
                figure("Lives", 'max(holdfast_part_alive{process="$process"})'),
                figure("Heard of", 'max(holdfast_heartbeat_age_seconds{process="$process"})', "s"),
                figure(
                    "Reaches the database", 'max(holdfast_database_reached{process="$process"})'
                ),
                panel(
                    "Processor",
                    Query(
                        "sum(rate(holdfast_process_cpu_seconds_total"
                        f'{{process="$process"}}{WINDOW}))',
                        "of one core",
                    ),
                    unit="percentunit",
                ),
                panel(
                    "Memory",
                    Query('sum(holdfast_process_memory_bytes{process="$process"})', "resident"),
                    unit="bytes",
                ),
                panel(
                    "Work and none finished",
                    Query('max(holdfast_stuck_seconds{process="$process"})', "stuck"),
                    unit="s",
                ),
            ),
        ),
        (
            "The facts of $service",
            (
                panel(
                    "Handled",
                    rate("holdfast_consumed_total", "outcome", '{service="$service"}'),
                    unit="reqps",
                ),
                panel(
                    "Behind",
                    Query('max(holdfast_consumer_lag_seconds{service="$service"})', "oldest"),
                    unit="s",
                    line=5.0,
                ),
                panel(
                    "Set aside",
                    now("holdfast_dead_letters_waiting", "state", '{service="$service"}'),
                ),
            ),
        ),
        (
            "Jobs, calls and circuits of all parts",
            (
                panel(
                    "Jobs and timed work",
                    Query(
                        f"sum by (work, outcome) (rate(holdfast_jobs_total{WINDOW}))",
                        "{{work}} {{outcome}}",
                    ),
                    unit="reqps",
                ),
                panel(
                    "How long they take, 99 %",
                    quantiles("holdfast_job_seconds", "", "work")[1],
                    unit="s",
                ),
                panel(
                    "Guarded calls that were not well",
                    Query(
                        "sum by (name, outcome) "
                        f'(rate(holdfast_guard_total{{outcome!="ok"}}{WINDOW}))',
                        "{{name}} {{outcome}}",
                    ),
                    unit="reqps",
                ),
                panel("Circuits, 2 is open", now("holdfast_breaker_state", "name")),
                panel(
                    "Calls under way, of those that may be",
                    Query(
                        'sum by (name) (holdfast_tickets{state="out"})'
                        ' / sum by (name) (holdfast_tickets{state="most"})',
                        "{{name}}",
                    ),
                    unit="percentunit",
                ),
                panel(
                    "Requests by route, 99 %",
                    quantiles("holdfast_request_seconds", "", "route")[1],
                    unit="s",
                ),
            ),
        ),
    ),
    (
        Variable("process", "Process", tuple(PROCESSES)),
        Variable("service", "Service", tuple(one.name for one in SERVICES)),
    ),
)

STORES = Board(
    "holdfast-stores",
    "Holdfast: Redis and Postgres",
    "What keeps everything: how full, how busy, and who waits there.",
    (
        (
            "Redis",
            (
                panel("Memory", now("holdfast_redis_memory_bytes", "store"), unit="bytes"),
                panel(
                    "Commands",
                    Query(
                        f"max by (store) (rate(holdfast_redis_commands_total{WINDOW}))", "{{store}}"
                    ),
                    unit="reqps",
                ),
                panel("Clients", now("holdfast_redis_clients", "store")),
                panel(
                    "Found of what was asked for",
                    Query("holdfast:redis_found:share5m", "{{store}}"),
                    unit="percentunit",
                ),
                panel(
                    "Reads through the cache",
                    rate("holdfast_cache_total", "outcome"),
                    unit="reqps",
                ),
                panel(
                    "Fresh of them",
                    Query("holdfast:cache_fresh:share5m", "fresh"),
                    unit="percentunit",
                ),
                panel(
                    "Dropped because it was full",
                    Query(
                        f"max by (store) (rate(holdfast_redis_evicted_total{WINDOW}))", "{{store}}"
                    ),
                ),
                panel("Replicas", now("holdfast_redis_replicas", "store")),
                panel(
                    "Keeps what it takes", Query("min(holdfast_redis_durable)", "durable"), line=1.0
                ),
            ),
        ),
        (
            "Postgres",
            (
                panel("Sessions", now("holdfast_postgres_sessions", "state")),
                panel(
                    "Of all there may be",
                    Query("holdfast:postgres_sessions:share", "taken"),
                    unit="percentunit",
                    line=0.85,
                ),
                panel(
                    "Transactions",
                    Query(
                        f"max by (outcome) (rate(holdfast_postgres_transactions_total{WINDOW}))",
                        "{{outcome}}",
                    ),
                    unit="reqps",
                ),
                panel(
                    "The oldest open one",
                    Query("max(holdfast_postgres_oldest_transaction_seconds)", "oldest"),
                    unit="s",
                    line=30.0,
                ),
                panel("Waiting for a lock", Query("max(holdfast_postgres_lock_waits)", "sessions")),
                panel("Size", Query("max(holdfast_postgres_bytes)", "database"), unit="bytes"),
                panel(
                    "Blocks found in memory",
                    Query(
                        f'max(rate(holdfast_postgres_blocks_total{{found="memory"}}{WINDOW}))'
                        f" / sum(max by (found) (rate(holdfast_postgres_blocks_total{WINDOW})))",
                        "memory",
                    ),
                    unit="percentunit",
                ),
                panel(
                    "Deadlocks",
                    Query(f"max(rate(holdfast_postgres_deadlocks_total{WINDOW}))", "deadlocks"),
                ),
                panel(
                    "Our connections, used",
                    Query('sum by (pool) (holdfast_connections{state="used"})', "{{pool}}"),
                ),
            ),
        ),
    ),
)

_BAD = 'level=~"warning|error|critical"'
_OF_SHOP = '{service_namespace="holdfast"} | json | shop="$shop"'
MERCHANT = Board(
    "holdfast-merchant",
    "Holdfast: a merchant",
    "One merchant by what the log says of them: no metric names a shop, for there are too many.",
    (
        (
            "$shop",
            (
                panel(
                    "Requests by how they ended",
                    Query(
                        f'sum by (status) (count_over_time({_OF_SHOP} | event="request" [1m]))',
                        "{{status}}",
                    ),
                ),
                panel(
                    "How long they took, 99 %",
                    Query(
                        "quantile_over_time(0.99, "
                        f'{_OF_SHOP} | event="request" | unwrap milliseconds [5m]) by (route)',
                        "{{route}}",
                    ),
                ),
                panel(
                    "Warnings and errors",
                    Query(
                        f"sum by (level) (count_over_time({_OF_SHOP} | {_BAD} [1m]))",
                        "{{level}}",
                    ),
                ),
            ),
        ),
        (
            "What was said",
            (
                panel(
                    "Warnings and errors",
                    f"{_OF_SHOP} | {_BAD}",
                    kind="log",
                ),
                panel("Everything", _OF_SHOP, kind="log"),
                panel(
                    "One request through all parts",
                    '{service_namespace="holdfast"} | json | request_id="$request_id"',
                    kind="log",
                ),
            ),
        ),
    ),
    (Variable("shop", "Shop"), Variable("request_id", "Request id")),
    source="loki",
)
