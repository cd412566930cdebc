"""A further service costs its folder, its worker, a migration, and a line in each list that shows
it: a toy one is added to a copy of the house, reads the log from its beginning and is seen.
"""

import html
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import ROOT
from tests.admin.staff import SHOWN
from tests.stack import Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.long

COPIED = ("app", "workers", "templates", "static", "migrations", "local", "devstore")
TOY = Path(__file__).parent / "toy"
NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.pyc")
# every place that is changed, and how: what stands there, and what stands there then
COMPOSERS = {
    "app/services.py": [
        (
            "SERVICES = (\n",
            'SERVICES = (\n    Process("toy", "Toy", "counts paid orders", ("order.paid",)),\n',
        )
    ],
    "app/admin/home.py": [
        ("HOMES: tuple[Home, ...] = (", "HOMES: tuple[Home, ...] = (toy_panels.HOME, "),
        (
            "from app.services import PROCESSES\n",
            "from app.services import PROCESSES\nfrom app.toy import panels as toy_panels\n",
        ),
    ],
    "app/storefront/routes.py": [
        ("PARTS: tuple[Part, ...] = (", "PARTS: tuple[Part, ...] = (toy_panels.PART, "),
        (
            "from app.shopify import verify\n",
            "from app.shopify import verify\nfrom app.toy import panels as toy_panels\n",
        ),
    ],
    "app/main.py": [
        (
            "        *points_pages.routes,\n",
            "        *points_pages.routes,\n        *toy_pages.routes,\n",
        ),
        (
            "from app.web.files import Files\n",
            "from app.toy import pages as toy_pages\nfrom app.web.files import Files\n",
        ),
    ],
    "Procfile": [
        (
            "points: python -m workers.points",
            "points: python -m workers.points\ntoy: python -m workers.toy",
        )
    ],
}
MIGRATION = """from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("app", "{before}")]
    initial = False
    operations = [
        ops.CreateModel(
            name="ToyOrder",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True)),
                ("shop", fields.CharField(max_length=255)),
                ("order_id", fields.CharField(max_length=32)),
            ],
            options={{
                "table": "toy_orders",
                "app": "app",
                "unique_together": (("shop", "order_id"),),
                "pk_attr": "id",
            }},
            bases=["Model"],
        ),
    ]
"""
ORDERS = 4


def build(root: Path) -> set[str]:
    """A copy of the house with toy in it; the files that are new or changed."""
    for name in COPIED:
        shutil.copytree(ROOT / name, root / name, ignore=NOT_COPIED)
    for name in ("Procfile", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    before = files(root)
    shutil.copytree(TOY, root, ignore=NOT_COPIED, dirs_exist_ok=True)
    last = max(path.stem for path in (root / "migrations").glob("0*.py"))
    migration = root / "migrations" / f"{int(last[:4]) + 1:04}_toy.py"
    migration.write_text(MIGRATION.format(before=last))
    for name, changes in COMPOSERS.items():
        text = (root / name).read_text()
        for there, then in changes:
            assert text.count(there) == 1, f"{name}: {there}"
            text = text.replace(there, then)
        (root / name).write_text(text)
    after = files(root)
    return {name for name, content in after.items() if before.get(name) != content}


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def toy_stack() -> Iterator[tuple[Stack, set[str]]]:
    """All processes but toy's, from the copy, with orders in the log that points has handled."""
    with tempfile.TemporaryDirectory(prefix="holdfast-toy-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)
        root = directory / "house"
        touched = build(root)
        stack = Stack(directory, root)
        try:
            stack.start_everything(without=("toy",))
            stack.install()
            yield stack, touched
        finally:
            stack.stop_everything()


def text(page: str) -> str:
    bare = re.sub(r"<[^>]*>", lambda tag: f" {' '.join(SHOWN.findall(tag[0]))} ", page)
    return " ".join(html.unescape(bare).split())


def test_a_new_service_reads_the_log_from_its_beginning_and_is_seen_everywhere(
    toy_stack: tuple[Stack, set[str]],
) -> None:
    stack, touched = toy_stack
    bob = stack.customer()
    for _ in range(ORDERS):
        stack.order(bob, "10.00")
    stack.wait_for_points(bob, ORDERS * 10)

    home = text(stack.open_admin("/").text)
    assert "Corrections Counted" in home, "its page stands in the navigation"
    assert "Paid orders Nothing yet." in home, "its island is there, whoever runs"
    assert "The toy part is behind" in home
    assert stack.health()["services"]["toy"]["status"] == "down"
    assert _lag(stack) >= ORDERS, "the log has other facts, too"

    stack.start("toy")
    wait_for(
        "toy has counted what was there before it",
        lambda: f"Counted by toy {ORDERS}" in text(stack.open_admin("/").text),
        20,
        lambda: text(stack.open_admin("/").text),
    )
    stack.order(bob, "10.00")
    wait_for(
        "and what came since",
        lambda: stack.open_admin("/toy").text == f"{ORDERS + 1} paid orders",
        20,
    )
    wait_for("all is well", lambda: stack.health().get("status") == "ok", 10)
    assert stack.health()["services"]["toy"]["status"] == "healthy"
    assert _lag(stack) == 0
    assert f"holdfast_toy_orders {ORDERS + 1}.0" in stack.http.get(f"{stack.app_url}/metrics").text
    assert "Toy counts paid orders Running" in text(stack.open_admin("/health").text)
    assert f"{ORDERS + 1} orders so far." in stack.me(bob)["notices"]
    assert "Toy has counted" in text(stack.open_admin("/").text)
    assert "toy=counts paid orders" in _said_to_break_it(stack.root)
    assert touched == {
        *(str(path.relative_to(TOY)) for path in TOY.rglob("*.*") if path.suffix != ".pyc"),
        *(name for name in touched if re.fullmatch(r"migrations/\d{4}_toy\.py", name)),
        *COMPOSERS,
    }


def _lag(stack: Stack) -> float:
    """What toy has not read, as Prometheus is told."""
    lines = stack.http.get(f"{stack.app_url}/metrics").text
    found = re.search(r'holdfast_consumer_lag_events\{service="toy"\} (\S+)', lines)
    assert found, lines
    return float(found[1])


def _said_to_break_it(root: Path) -> str:
    """What the break-it page gets to know of the processes of `make run`."""
    asked = "from local import processes, run; print(run.words(), *processes.app_commands())"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=root, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert "toy" in done.stdout.split(), "a process that can be stopped there"
    return done.stdout
