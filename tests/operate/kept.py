"""An installation as it should be: production's settings, roles, copies, archive, backups, and a
Prometheus that has somebody to call.
"""

import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import redis

from app.config import ROOT
from local import servers
from ops.backup import rehearsal, sealing
from ops.backup.store import Store
from ops.observe import Ports, observing
from tests import template
from tests.faults.beside import Beside
from tests.faults.redises import OwnRedis
from tests.faults.shoppers import bob_with
from tests.operate.observed import HURRY
from tests.replicas import OwnReplica
from tests.stack import SECRET, SHOP, Stack
from tests.waiting import wait_for

READY_SECONDS_MAX = 75.0
OWNS_THE_TABLES = """
CREATE ROLE holdfast LOGIN; GRANT pg_monitor TO holdfast; GRANT ALL ON SCHEMA public TO holdfast;
DO $$ DECLARE one record; BEGIN
  FOR one IN SELECT oid::regclass AS name, relkind FROM pg_class
   WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S') LOOP
    BEGIN EXECUTE format('ALTER TABLE %s OWNER TO holdfast', one.name);
    EXCEPTION WHEN others THEN NULL; END;
  END LOOP;
  FOR one IN SELECT oid::regprocedure AS name FROM pg_proc
   WHERE pronamespace = 'public'::regnamespace LOOP
    EXECUTE format('ALTER FUNCTION %s OWNER TO holdfast', one.name);
  END LOOP;
END $$;
"""


class ProductionStack(Stack):
    """Its secrets are in files; the stand-in store alone has that of Shopify in its environment."""

    def command(self, name: str) -> tuple[list[str], dict[str, str]]:
        command, extra = super().command(name)
        if name == "devstore":
            extra = {**extra, "SHOPIFY_API_SECRET": SECRET}
        return command, extra


@dataclass
class Kept:
    """The installation, and what a test breaks in it."""

    stack: Stack
    redis: "redis.Redis"
    cache: OwnRedis
    redis_replica: OwnRedis
    replica: OwnReplica
    beside: Beside  # a session of the superuser
    secrets: Path

    def ready(self, *checks: str, **settings: str) -> tuple[int, str]:
        """What `python -m ops.ready` says, and its exit status."""
        done = subprocess.run(
            [sys.executable, "-m", "ops.ready", *checks],
            cwd=ROOT,
            env={**self.stack.environment, **settings},
            capture_output=True,
            text=True,
            timeout=READY_SECONDS_MAX,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr

    def run(self, *arguments: str) -> str:
        """What a command of ours says, as the superuser; it must end well."""
        environment = {**self.stack.environment, "DATABASE_URL": self.beside.url}
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def well_kept() -> Iterator[Kept]:
    """All of it, for as long as somebody looks."""
    with (
        template.folder(),
        tempfile.TemporaryDirectory(prefix="holdfast-stack-", ignore_cleanup_errors=True) as name,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        for one in ("metrics", "cache", "second", "secrets"):
            (folder / one).mkdir()
        kept = Store(folder / "backups", (os.urandom(sealing.KEY_BYTES),))
        ports = Ports(*(servers.free_port() for _ in range(3)))
        cache = OwnRedis(folder / "cache", "--maxmemory", "128mb")
        stack = ProductionStack(
            folder,
            HOLDFAST_ENV="production",
            SHOPIFY_API_KEY="a-key-of-our-own-of-production",
            BACKUP_FOLDER=str(kept.folder),
            BACKUP_KEYS=sealing.written(kept.keys[0]),
            CACHE_REDIS_URL=cache.url,
            PROMETHEUS_MULTIPROC_DIR=str(folder / "metrics"),
            PROMETHEUS_URL=f"http://127.0.0.1:{ports.prometheus}",
            SENTRY_DSN="http://key@127.0.0.1:9/1",
            EMBEDDED_FSYNC="on",
            RELEASE="v1",
            **_secrets(folder / "secrets"),
        )
        stack.environment["SHOPIFY_URL"] = f"{stack.store_url}/shops/{{shop}}"
        del stack.environment["SHOPIFY_API_SECRET"]
        superuser = stack.environment["DATABASE_URL"]
        template.copy_postgres(folder / "postgres")
        (folder / "released").touch()
        rehearsal.prepare(kept, folder / "postgres")
        left: list[OwnRedis | OwnReplica] = [cache]
        try:
            stack.start("postgres", "redis")
            wait_for("postgres answers", lambda: _answers(superuser), 120)
            beside = Beside(stack)
            beside.execute(OWNS_THE_TABLES)
            stack.environment["DATABASE_URL"] = superuser.replace("postgres@", "holdfast@")
            queue = redis.Redis(port=stack.ports["redis"], decode_responses=True)
            queue.config_set("maxmemory", "256mb")
            followed = ("--replicaof", "127.0.0.1", str(stack.ports["redis"]))
            redis_replica = OwnRedis(folder / "second", *followed)
            left.append(redis_replica)
            replica = OwnReplica(folder / "replica", superuser)
            left.append(replica)
            stack.start_everything()
            stack.install(SHOP)
            bob_with(stack, 50)
            made = Kept(stack, queue, cache, redis_replica, replica, beside, folder / "secrets")
            made.run("ops.backup", "full")
            made.run("ops.backup", "drill")
            made.run("workers.verify", "--note")
            metrics_token = folder / "secrets" / "METRICS_TOKEN"
            token = "    # authorization: {credentials_file: /run/secrets/metrics_token}"
            with observing(
                folder / "observe",
                [f"127.0.0.1:{stack.ports['web']}"],
                ports,
                lambda *_: None,
                {
                    **HURRY,
                    "    # where METRICS_TOKEN is set:\n": "",
                    token: f"    authorization: {{credentials_file: {metrics_token}}}",
                },
            ):
                yield made
            beside.close()
            queue.close()
        finally:
            stack.stop_everything()
            for one in left:
                if isinstance(one, OwnReplica):
                    one.stop(kill=True)
                else:
                    one.resume()
                    one.kill()


def _answers(url: str) -> bool:
    """It listens before it has read its log."""

    async def ask() -> None:
        await (await asyncpg.connect(url)).close()

    try:
        asyncio.run(ask())
    except (OSError, asyncpg.PostgresError):
        return False
    return True


def _secrets(folder: Path) -> dict[str, str]:
    given = {
        "SHOPIFY_API_SECRET": SECRET,
        "EVENT_SECRETS": secrets.token_urlsafe(32),
        "TOKEN_KEYS": urlsafe_b64encode(os.urandom(32)).decode(),
        "METRICS_TOKEN": secrets.token_urlsafe(24),
    }
    for name, value in given.items():
        (folder / name).write_text(value)
        (folder / name).chmod(0o600)
    return {f"{name}_FILE": str(folder / name) for name in given}
