"""What keeps the services apart: what they show each other, whose tables their SQL names, and that
nothing but `app/services.py` lists them.
"""

import ast
import functools
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tortoise.models import Model

from app.config import ROOT
from app.services import SERVICES

NAMES = [one.name for one in SERVICES]
# what a service shows others; its models are for `db.MODELS` alone, and its metrics for a scrape,
# which name them by services.py
SHOWN = {"actions", "reads", "handlers", "pages", "panels"}
# plain values that reads return and templates draw: whoever may ask may also name what it gets
PLAIN = {"views"}
# below all services: core knows the shops and customers the others keep figures of, and asks nobody
BASE = "core"
# the one way to Shopify's Admin API, which needs the token that core keeps; what a shop sells; and
# what of ours stands there
BASE_SHOWN = {"admin_api", "catalog", "made"}
IMPURE = {"app.db", "app.postgres", "asyncpg", "redis", "httpx", "tortoise", "app.resilience"}
SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\b")
TABLE = re.compile(
    r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE)\s+(?:ONLY\s+)?([a-z_]+)\b(?!\s*\()", re.IGNORECASE
)
# names made in a statement itself, which stand where tables do
MADE = re.compile(r"\b([a-z_]+)\s*(?:\([a-z_, ]*\)\s*)?AS\s+(?:MATERIALIZED\s+)?\(", re.IGNORECASE)
NO_TABLE = re.compile(r"extract\s*\([^)]*\)|DISTINCT\s+FROM", re.IGNORECASE)
# tables that models cannot say, which the migrations alone make
MADE_BY_MIGRATIONS = {
    "core": {"last_orders", "reconciliations"},
    "points": {"audit_heads", "total_deltas"},
}
CATALOGUE = re.compile(r"pg_\w+")
KEYWORDS = {"select", "set", "of", "only", "lateral", "unnest", "skip", "share", "nothing"}


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def modules(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), parsed(path)


@functools.cache
def imports(name: str, tree: ast.Module) -> list[str]:
    """Every module and name that is imported, with its whole path."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            found += [f"{node.module}.{one.name}" for one in node.names]
    return found


def service_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if parts[0] == "app" and len(parts) > 1 and parts[1] in NAMES else ""


def test_the_services_show_each_other_and_the_composers_only_what_is_for_them() -> None:
    wrong = []
    for name, tree in modules("app"):
        for imported in imports(name, tree):
            service = service_of(imported)
            is_own = service == service_of(name)
            # core is the ground the house stands on: web knows shops and their installation
            if not service or is_own or (service == BASE and name.startswith("app.web.")):
                continue
            shown = SHOWN | PLAIN | (BASE_SHOWN if service == BASE else set())
            if not shown & set(imported.split(".")[2:]):
                wrong.append(f"{name} imports {imported}")
    assert wrong == []


def test_services_know_nobody_but_core_and_only_composers_know_services() -> None:
    composers = ("app.main", "app.admin", "app.storefront", "app.webhooks", "app.operations")
    wrong = []
    for name, tree in modules("app"):
        for imported in imports(name, tree):
            service, asking = service_of(imported), service_of(name)
            may = service in {"", BASE, asking} or name.startswith(composers)
            if asking and imported.startswith(composers):
                may = False
            if asking == BASE and imported.startswith("app.web."):
                may = False
            if not may:
                wrong.append(f"{name} imports {imported}")
    assert wrong == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "app").rglob("rules.py")), ids=lambda path: path.parent.name
)
def test_rules_are_pure(path: Path) -> None:
    tree = parsed(path)
    found = {name for name in imports(str(path), tree) if name.startswith(tuple(IMPURE))}
    assert found == set()
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)]


def tables_of(module: str) -> set[str]:
    found = importlib.import_module(module)
    return {
        model._meta.db_table
        for _, model in inspect.getmembers(found, inspect.isclass)
        if issubclass(model, Model) and model.__module__.startswith(module)
    }


def statements(tree: ast.Module) -> Iterator[str]:
    """Every string that holds SQL; what is put into one stands as a blank that is no name."""
    no_text: set[int] = set()  # docstrings, and the pieces of what was put together
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            no_text.add(id(node.value))
        text = ""
        if isinstance(node, ast.JoinedStr):
            no_text |= {id(part) for part in ast.walk(node)}
            parts = [one.value if isinstance(one, ast.Constant) else "?" for one in node.values]
            text = "".join(str(part) for part in parts)
        elif isinstance(node, ast.Constant) and id(node) not in no_text:
            text = str(node.value)
        if SQL.search(text):
            yield NO_TABLE.sub("", text)


def tables_named(*trees: ast.Module) -> set[str]:
    """The tables that the statements of a service read or write."""
    found = [text for tree in trees for text in statements(tree)]
    made = {name.lower() for text in found for name in MADE.findall(text)}
    named = {name.lower() for text in found for name in TABLE.findall(text)}
    return named - made - KEYWORDS


@pytest.mark.parametrize("service", NAMES)
def test_the_sql_of_a_service_names_its_own_tables_only(service: str) -> None:
    own = tables_of(f"app.{service}.models") | MADE_BY_MIGRATIONS.get(service, set())
    named = tables_named(*(tree for _, tree in modules(f"app/{service}")))
    assert {name for name in named - own if not CATALOGUE.fullmatch(name)} == set()
    assert named & own, "it must have found statements to mean anything"


def test_the_sql_test_finds_what_it_looks_for() -> None:
    tree = ast.parse(
        '"""SELECT nothing FROM here."""\n'
        'A = f"SELECT {x} FROM members JOIN shops ON TRUE"\n'
        'B = "WITH due AS (SELECT 1) SELECT * FROM due, unnest($1::int[]) FOR UPDATE SKIP LOCKED"'
    )
    assert tables_named(tree) == {"members", "shops"}


def test_nothing_but_services_py_lists_the_services() -> None:
    """A list that names all of them, or two that are side by side, would have to grow with each."""
    wrong = []
    for name, tree in modules("app", "workers", "local", "devstore"):
        if name == "app.services":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Tuple | ast.List | ast.Set):
                values = [one.value for one in node.elts if isinstance(one, ast.Constant)]
            elif isinstance(node, ast.Dict):
                values = [one.value for one in node.keys if isinstance(one, ast.Constant)]
            else:
                continue
            if len({*values} & {*NAMES}) > 1:
                wrong.append(f"{name}: {node.lineno}")
    assert wrong == []


# Tables that grow with shops have the shop in each row and in front of each natural key, so that a
# shop can be found, redacted and moved by its name alone. What does not:
WITHOUT_SHOP = {
    "facts": "the log: by partition of the shop and day, dropped after 14 days; its entries are "
    "signed as they were written, with many shops of a partition in one",
    "places": "how far each service has read: 16 rows a service, whatever the shops",
    "starts": "how often a service began an entry: a row a partition and service",
    "webhook_bodies": "by partition of the shop and day, dropped after a week; the shops of a row "
    "stand in it, and what is redacted goes from it",
    "redis_epochs": "one row",
    "flags": "a row a flag, whatever the shops; the few that are named stand in it",
    "flag_changes": "what operators did",
    "redis_losses": "about Redis as a whole",
    "backup_marks": "when a backup and a restore last went well",
}
KEYS = {
    "ledger (member_id, sequence)": "the order within a member, who is of one shop",
    "dead_letters (service, shop, reference)": "each service looks for its own, then by shop",
    "shops (domain)": "the shop itself",
}


async def test_every_natural_key_begins_with_the_shop(stores) -> None:
    from app import db

    async with db.connection() as connection:
        rows = await connection.fetch(UNIQUE)
        with_shop = {row["table_name"] for row in await connection.fetch(WITH_SHOP)}
    assert len(rows) > 10
    wrong, used = [], set()
    for row in rows:
        table, columns = row["table_name"], row["columns"]
        if table in WITHOUT_SHOP:
            used.add(table)
            continue
        # a number of our own names nothing outside; the shop stands beside it in the row
        if columns[0] == "shop" or (columns == ["id"] and table in with_shop):
            continue
        key = f"{table} ({', '.join(columns)})"
        used.add(key)
        if key not in KEYS:
            wrong.append(key)
    assert wrong == []
    assert {*WITHOUT_SHOP, *KEYS} - used == set(), "an exception that is none any more goes"


UNIQUE = """
SELECT relation.relname AS table_name, array_agg(attribute.attname::text ORDER BY place) AS columns
  FROM pg_index
  JOIN pg_class AS relation ON relation.oid = indrelid AND NOT relation.relispartition
  JOIN pg_namespace AS space ON space.oid = relnamespace AND nspname = 'public'
 CROSS JOIN unnest(indkey::int[]) WITH ORDINALITY AS key (number, place)
  JOIN pg_attribute AS attribute ON attrelid = indrelid AND attnum = key.number
 WHERE indisunique AND relation.relname NOT LIKE '%migration%'
 GROUP BY indexrelid, relation.relname ORDER BY 1, 2
"""
WITH_SHOP = """
SELECT table_name FROM information_schema.columns
 WHERE table_schema = 'public' AND column_name = 'shop'
"""
