"""All processes of Holdfast with servers and a store of their own, for tests that break them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import redis

from local import processes, servers
from tests import template
from tests.silence import Silence
from tests.waiting import wait_for

SECRET = "test-secret-test-secret-test-secret-1"
SHOP = "alice.myshopify.com"
STOP_SECONDS_MAX = 60  # of a machine that does a lot besides
STORE_ADDRESSES = ("DATABASE_URL", "REDIS_URL", "CACHE_REDIS_URL")


class Stack:
    """Starts, stops, kills, pauses and cuts off processes by name; drives the stand-in store."""

    def __init__(self, directory: Path, root: Path = processes.ROOT, **settings: str) -> None:
        """With its data in `directory`, of the house at `root`."""
        self.directory, self.root = directory, root
        self.ports = {
            name: servers.free_port() for name in ("postgres", "redis", "web", "web2", "devstore")
        }
        self.environment = {
            **os.environ,
            "HOLDFAST_ENV": "development",
            "PROGRAM_STARTS_AS": "live",
            "HOLDFAST_DATA": str(directory / "holdfast"),
            "SHOPIFY_API_SECRET": SECRET,
            "DATABASE_URL": f"postgres://postgres@127.0.0.1:{self.ports['postgres']}/postgres",
            "REDIS_URL": f"redis://127.0.0.1:{self.ports['redis']}/0",
            "PORT": str(self.ports["web"]),
            "DEVSTORE_PORT": str(self.ports["devstore"]),
            "APP_URL": f"http://127.0.0.1:{self.ports['web']}",
            "DEVSTORE_DEMO": "off",
            **settings,
        }
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.silences: dict[tuple[str, str], Silence] = {}  # by process and store
        self._open = ExitStack()
        self.http = self._open.enter_context(httpx.Client(timeout=10))

    @property
    def app_url(self) -> str:
        return self.environment["APP_URL"]

    @property
    def store_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['devstore']}"

    # processes

    def command(self, name: str) -> tuple[list[str], dict[str, str]]:
        if name in processes.SERVERS:
            return processes.server_command(name, self.directory / name, self.ports[name]), {}
        if name == "devstore":
            return processes.devstore_command(), {}
        kind = name.rstrip("0123456789")
        extra = {"PROCESS_SLOT": name}  # a second process of a kind is told apart by it
        if name in self.ports:
            extra["PORT"] = str(self.ports[name])
        return processes.app_commands(self.root)[kind], extra if name != kind else {}

    def start(self, *names: str) -> None:
        for name in names:
            if name in self.running and self.running[name].poll() is None:
                continue
            self._spawn(name)
        for name in names:
            if name in self.ports:
                wait_for(f"{name} listens", lambda name=name: self._listens(name), 120)

    def _spawn(self, name: str) -> None:
        command, extra = self.command(name)
        extra |= self.addresses(name)
        with (self.directory / f"{name}.log").open("ab") as log:
            environment = {**self.environment, **extra}
            self.running[name] = subprocess.Popen(
                command, cwd=self.root, env=environment, stdout=log, stderr=log
            )

    def _listens(self, name: str) -> bool:
        if self.running[name].poll() is not None:
            # as a supervisor does; Postgres starts only after the children of a killed one are gone
            self._spawn(name)
        return servers.is_listening(self.ports[name])

    def stop(self, *names: str, kill: bool = False) -> None:
        for name in names:
            process = self.running.get(name)
            if process and process.poll() is None:
                stop_signal = signal.SIGINT if name == "postgres" else signal.SIGTERM
                process.send_signal(signal.SIGKILL if kill else stop_signal)
        for name in names:
            process = self.running.pop(name, None)
            if process:
                try:
                    process.wait(timeout=STOP_SECONDS_MAX)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(timeout=5)
                    raise AssertionError(f"{name} did not stop in time") from None

    def kill(self, *names: str) -> None:
        self.stop(*names, kill=True)

    def stop_long_ago(self, name: str) -> None:
        """Stop it with a heartbeat a minute old, so that nobody waits for what time alone does."""
        self.stop(name)
        with redis.Redis(port=self.ports["redis"]) as client:
            beat = json.loads(client.hget("health", name) or b"{}")
            long_ago = datetime.fromisoformat(beat["beat_at"]) - timedelta(minutes=1)
            client.hset("health", name, json.dumps({**beat, "beat_at": long_ago.isoformat()}))

    def pause(self, name: str) -> None:
        self._each(name, psutil.Process.suspend)

    def resume(self, name: str) -> None:
        self._each(name, psutil.Process.resume)

    def _each(self, name: str, act: Callable[[psutil.Process], None]) -> None:
        for process in self._tree(name):
            with suppress(psutil.NoSuchProcess):  # a session of Postgres ends when it likes
                act(process)

    def between(self, name: str, store: str) -> Silence:
        """A proxy between a process and `postgres` or `redis`, which stays and passes until told.

        A process that runs already is started again, to go through it.
        """
        if (name, store) not in self.silences:
            made = self._open.enter_context(Silence(self.ports[store]))
            self.silences[name, store] = made
            if name in self.running:
                self.stop(name)
                self.start(name)
        return self.silences[name, store]

    def end_silences(self) -> None:
        for silence in self.silences.values():
            silence.pass_on()

    def addresses(self, name: str) -> dict[str, str]:
        """Where a process finds its stores, where that is not what everybody's environment says."""
        found = {}
        for (process, store), silence in self.silences.items():
            for variable in STORE_ADDRESSES if process == name else ():
                direct = self.environment.get(variable, "")
                through = direct.replace(f":{self.ports[store]}/", f":{silence.port}/")
                if through != direct:
                    found[variable] = through
        return found

    def _tree(self, name: str) -> list[psutil.Process]:
        parent = psutil.Process(self.running[name].pid)
        return [parent, *parent.children(recursive=True)]

    def start_everything(self, without: tuple[str, ...] = ()) -> None:
        released = self.directory / "released"
        if self.root == processes.ROOT and not (self.directory / "postgres").exists():
            template.copy_postgres(self.directory / "postgres")
            released.touch()
        self.start("postgres", "redis")
        if not released.exists():
            wait_for("postgres answers", self._release, 120)
            released.touch()
        apps = [name for name in processes.app_commands(self.root) if name != "release"]
        self.start("devstore", *[name for name in apps if name not in without])
        wait_for("the app is healthy", lambda: self._is_healthy(without), 120)

    def _is_healthy(self, without: tuple[str, ...]) -> bool:
        found = self.health()
        checks, services = found.get("checks", {}), found.get("services", {})
        signs = [
            *checks.values(),
            *(services[one]["status"] for one in services if one not in without),
        ]
        return bool(signs) and set(signs) == {"ok", "healthy"}

    def _release(self) -> bool:
        done = subprocess.run(
            processes.app_commands(self.root)["release"],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        (self.directory / "release.log").write_text(done.stdout + done.stderr)
        assert done.returncode == 0, done.stdout + done.stderr
        return True

    def stop_everything(self) -> None:
        self.end_silences()
        for name in processes.SERVERS:
            if name in self.running:
                self.resume(name)
        self.stop(*[name for name in self.running if name not in processes.SERVERS])
        self.stop(*list(self.running))
        self._open.close()

    # what people and Shopify do

    def health(self) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self.http.get(f"{self.app_url}/healthz").json()
        except (httpx.HTTPError, ValueError):
            return {}
        return answer

    def control(self, method: str, path: str, body: object = None) -> Any:
        response = self.http.request(method, f"{self.store_url}/control/{path}", json=body)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json()

    def install(self, shop: str = SHOP) -> None:
        """Alice opens the app once, as Shopify frames it."""
        assert self.open_admin("/", shop).status_code == 200

    def open_admin(self, path: str, shop: str = SHOP) -> httpx.Response:
        token = self.control("GET", f"shops/{shop}/id-token")["id_token"]
        return self.http.get(
            f"{self.app_url}{path}",
            params={"id_token": token, "shop": shop, "embedded": "1", "locale": "en"},
        )

    def customer(self, first_name: str = "Bob", shop: str = SHOP) -> str:
        made = self.control(
            "POST",
            f"shops/{shop}/customers",
            {
                "first_name": first_name,
                "last_name": "Buyer",
                "email": f"{first_name.lower()}@example.com",
            },
        )
        return str(made["id"])

    def order(
        self, customer_id: str | None, price: str = "100.00", shop: str = SHOP, **fields: Any
    ) -> dict[str, Any]:
        lines = fields.pop("lines", [{"title": "Mug", "price": price, "quantity": 1}])
        body = {"customer_id": customer_id, "lines": lines, "paid": True, **fields}
        made: dict[str, Any] = self.control("POST", f"shops/{shop}/orders", body)
        return made

    def proxy(
        self, method: str, path: str, customer_id: str | None, shop: str = SHOP, **options: Any
    ) -> httpx.Response:
        """A request as the app proxy would send it; `web2` asks the second web process."""
        second = options.pop("web2", False)
        url = self.control(
            "POST", f"shops/{shop}/proxy-url", {"path": path, "customer_id": customer_id}
        )["url"]
        if second:
            url = url.replace(f":{self.ports['web']}/", f":{self.ports['web2']}/")
        return self.http.request(method, url, **options)

    def me(self, customer_id: str, shop: str = SHOP) -> dict[str, Any]:
        answer: dict[str, Any] = self.proxy("GET", "/storefront/me", customer_id, shop).json()
        return answer

    def wait_for_points(
        self, customer_id: str, available: int, seconds: float = 15, shop: str = SHOP
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def reached() -> bool:
            found.clear()
            found.update(self.me(customer_id, shop))
            return bool(found.get("points", {}).get("available") == available)

        wait_for(f"{available} points", reached, seconds, lambda: str(found))
        return found

    def verify(self) -> str:
        """The verify command over every shop; fails when a balance drifts or a chain is broken."""
        done = subprocess.run(
            [sys.executable, "-m", "workers.verify"],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
