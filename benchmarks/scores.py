"""Lighthouse's scores: the storefront with the widget and without it, and the pages of admin.

python -m benchmarks.scores [ROUNDS]
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.living import living
from tests.polaris import stand_in
from tests.stack import SHOP, Stack

LIGHTHOUSE = Path(__file__).resolve().parent / "lighthouse"
FLAGS = "--headless=new --no-sandbox --disable-gpu --disable-background-networking"
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
SECONDS_MAX = 180
ROUNDS = 3  # a score of performance is of one loading; the middle one of so many is told


def main() -> None:
    if not (LIGHTHOUSE / "node_modules").exists():
        install = ["npm", "ci", "--silent", "--no-audit", "--no-fund"]
        subprocess.run(install, cwd=LIGHTHOUSE, check=True)
    print("| page | " + " | ".join(CATEGORIES) + " | below 0.9 |")
    print("|---" * (len(CATEGORIES) + 2) + "|")
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with polaris() as polaris_url:
        for rendering, url in (("Polaris", polaris_url), ("native", "")):
            with living(POLARIS_URL=url) as stack:
                bob = stack.customer("Bob")
                stack.order(bob, "149.90")
                stack.wait_for_points(bob, 149)
                for name, path in {
                    "Home": "/",
                    "Customers": "/customers",
                    "Customer": f"/customers/{bob}",
                    "Change for many": "/customers/bulk",
                    "Programme": "/program",
                    "Corrections": "/corrections",
                    "Health": "/health",
                }.items():
                    tell(rounds, f"{name}, {rendering}", partial(alone, stack, path))
                if not url:
                    shop = f"{stack.store_url}/shops/{SHOP}/"
                    tell(rounds, "Storefront with the widget", lambda shop=shop: shop)
                    without = ["--blocked-url-patterns=*/static/widget/*"]
                    tell(rounds, "Storefront without it", lambda shop=shop: shop, without)


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing of what it serves: the table is read as it comes."""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def polaris() -> Iterator[str]:
    """Where the stand-in for Polaris is served: Shopify's own is out of reach."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "polaris.js").write_text(stand_in())
        handler = partial(Quiet, directory=folder)
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}/polaris.js"
            server.shutdown()


def alone(stack: Stack, path: str) -> str:
    """The address of a page of admin without the frame around it, for one visit."""
    token = stack.control("GET", f"shops/{SHOP}/id-token")["id_token"]
    return f"{stack.app_url}{path}?id_token={token}&shop={SHOP}&embedded=1"


def tell(rounds: int, name: str, address: Callable[[], str], more: Sequence[str] = ()) -> None:
    found = sorted((visit(address(), more) for _ in range(rounds)), key=lambda one: one[0])
    scores, weak = found[rounds // 2]
    print(
        f"| {name} | " + " | ".join(str(one) for one in scores) + f" | {', '.join(weak)} |",
        flush=True,
    )


def visit(url: str, more: Sequence[str]) -> tuple[list[int], list[str]]:
    """The scores of one visit, and the audits that cost some of them."""
    done = subprocess.run(
        [
            LIGHTHOUSE / "node_modules" / ".bin" / "lighthouse",
            url,
            "--quiet",
            "--output=json",
            "--preset=desktop",
            f"--chrome-flags={FLAGS}",
            *more,
        ],
        env={**os.environ, "CHROME_PATH": shutil.which("chromium") or "/usr/bin/chromium"},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    told = json.loads(done.stdout)
    categories = told["categories"]
    weak = {
        one["id"]
        for category in categories.values()
        for one in category["auditRefs"]
        if one["weight"]
        and (told["audits"][one["id"]]["score"] or 0) < 0.9
        and told["audits"][one["id"]]["score"] is not None
    }
    return [round(100 * categories[name]["score"]) for name in CATEGORIES], sorted(weak)


if __name__ == "__main__":
    main()
