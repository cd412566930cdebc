"""Least privilege: a database role for each process, which can write what that process writes and
nothing else.
"""

import importlib
import inspect
import re
from collections.abc import Iterator

from asyncpg.exceptions import InsufficientPrivilegeError
from tortoise.models import Model

from app.db import Connection
from app.services import PROCESSES, SERVICES
from app.telemetry import logs

PREFIX = re.compile(r"[a-z][a-z0-9_]{0,30}")
# what every service writes of the road: its facts, its places, what it sets aside, and what of the
# kept webhooks is to go
OF_EVERY_SERVICE = ("facts", "places", "starts", "dead_letters", "body_redactions")
OF_THE_ROAD = {
    "core": (*OF_EVERY_SERVICE, "redis_losses"),  # what was lost is compared with Shopify
    "web": (
        "facts",
        "dead_letters",
        "spilled_webhooks",
        "body_redactions",
        "flags",
        "flag_changes",
        "analytics_choices",
    ),
    "ingest": (
        "facts",
        "receipts",
        "webhook_bodies",
        "dead_letters",
        "spilled_webhooks",
        "redis_epochs",
        "redis_losses",
    ),
    "relay": (
        "facts_rest",
        "receipts_rest",
        "webhook_bodies_rest",
        "webhook_bodies",
        "body_redactions",
        "spilled_webhooks",
        "redis_epochs",
        "redis_losses",
        "audit_heads",
        "places",  # its own, where it copies the log to Kafka
    ),
}
OF_THE_OWNER = {"backup_marks", "retranslations"}  # of commands that run as the owner
APPENDED_TO = {"facts", "ledger"}  # nobody changes or deletes what stands there
KEEPS_THE_LOG = ("make_day(text, date)", "end_day(text, date)", "set_log_base(bigint)")
MAY_CALL = {"relay": KEEPS_THE_LOG, "ingest": ("set_log_base(bigint)",)}
CREATE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN;
    END IF;
END $$
"""
# Reading is not kept apart: pages are put together from all services, and tokens are encrypted.
ALL = """
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role};
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM {role};
GRANT USAGE ON SCHEMA public TO {role};
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};
"""

log = logs.logger()


async def grant(connection: Connection, prefix: str) -> None:
    """Make `<prefix>_<process>` for each process, or bring it to what this release writes.

    The roles cannot log in: give the login of a process its role with GRANT. Raises ValueError for
    a prefix that is no plain name.
    """
    if not PREFIX.fullmatch(prefix):
        raise ValueError("DATABASE_ROLES must be a plain name in small letters")
    for process in PROCESSES:
        role = f"{prefix}_{process}"
        await connection.execute(CREATE.format(role=role))
        await connection.execute(ALL.format(role=role))
        for table in sorted(written_by(process)):
            rights = "INSERT" if table in APPENDED_TO else "INSERT, UPDATE, DELETE"
            await connection.execute(f"GRANT {rights} ON {table} TO {role}")
        for function in MAY_CALL.get(process, ()):
            await connection.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {role}")
        try:
            # who holds up the log is somebody else's session
            await connection.execute(f"GRANT pg_read_all_stats TO {role}")
        except InsufficientPrivilegeError:
            log.warning("a role cannot see who holds the log up", role=role)


def written_by(process: str) -> set[str]:
    """The tables that this process writes. Web writes what people change, in every service."""
    services = [one.name for one in SERVICES]
    found = set(OF_THE_ROAD.get(process, OF_EVERY_SERVICE))
    for service in services if process == "web" else [process] if process in services else []:
        found |= set(_tables_of(service))
    return found


def _tables_of(service: str) -> Iterator[str]:
    models = importlib.import_module(f"app.{service}.models")
    for _, model in inspect.getmembers(models, inspect.isclass):
        if issubclass(model, Model) and model.__module__.startswith(models.__name__):
            yield model._meta.db_table  # noqa: SLF001 - Tortoise has no other name for it
    yield from getattr(models, "MADE_BY_MIGRATIONS", ())
