"""Every document and its variables are what Shopify's schema of the pinned version, and of the
next one, expects.
"""

import functools
import gzip
import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from graphql import (
    GraphQLSchema,
    NoDeprecatedCustomRule,
    OperationDefinitionNode,
    build_client_schema,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values

from app import config as settings
from app.points.rewards import kinds
from app.points.rewards.kinds.parts import Lease
from app.points.rewards.rules import KINDS, Details
from app.shopify.graphql import DOCUMENTS

BESIDE = settings.ROOT / "../shared/shopify/schema"
FOLDER = Path(os.environ.get("SHOPIFY_SCHEMA_DIR") or BESIDE)
VERSIONS = ("2026-07", "2026-10")  # the pinned one and the next
EXAMPLES = {
    path.stem: json.loads(path.read_text()) for path in Path(__file__).parent.glob("*.json")
}

each_version = pytest.mark.parametrize("version", VERSIONS)
each_document = pytest.mark.parametrize("name", sorted(DOCUMENTS))


@functools.cache
def schema(version: str) -> GraphQLSchema:
    path = FOLDER / f"admin-{version}.introspection.json.gz"
    if not path.exists():
        pytest.skip(
            f"Shopify's schema of {version} is not in {FOLDER.name}/; SHOPIFY_SCHEMA_DIR can "
            f"name its folder."
        )
    return build_client_schema(
        json.loads(gzip.decompress(path.read_bytes()))["data"], assume_valid=True
    )


def wrong_variables(name: str, version: str, variables: dict) -> list[str]:
    (operation,) = (
        one
        for one in parse(DOCUMENTS[name]).definitions
        if isinstance(one, OperationDefinitionNode)
    )
    found = get_variable_values(schema(version), operation.variable_definitions or (), variables)
    declared = {one.variable.name.value for one in operation.variable_definitions or ()}
    errors = [error.message for error in found] if isinstance(found, list) else []
    return errors + [f"{unknown} is not declared" for unknown in variables.keys() - declared]


def test_every_document_has_an_example_of_its_variables():
    assert DOCUMENTS
    assert EXAMPLES.keys() == DOCUMENTS.keys()


def test_the_pinned_version_is_one_of_those_checked(config):
    assert config.api_version == VERSIONS[0]


@each_version
@each_document
def test_a_document_asks_only_for_what_exists_and_is_not_deprecated(name, version):
    document = parse(DOCUMENTS[name])
    assert validate(schema(version), document) == []
    assert validate(schema(version), document, [NoDeprecatedCustomRule]) == []


@each_version
@each_document
def test_the_example_variables_are_what_the_document_declares(name, version):
    assert wrong_variables(name, version, EXAMPLES[name]) == []


@each_version
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_sent_for_a_redemption_is_what_shopify_expects(version, kind):
    now = datetime.now(UTC)
    lease = Lease(
        id=UUID("018f2f66-0000-7000-8000-000000000001"),
        shop="alice.myshopify.com",
        customer_id="77",
        title="5.00 off",
        kind=kind,
        amount_off=Decimal("5.00"),
        details=Details(
            percent="12.5",
            minimum="20.00",
            products=["1"],
            combines_with=["product"],
            currency="USD",
        ),
        ends_at=now,
        code="HF-7KQ2M9XW4T",
        state="held",
        attempts=1,
        tries_sent=1,
        give_up_at=now,
        created_at=now,
        request_id="",
    )
    wish = kinds.BY_NAME[kind].send(lease)
    assert wrong_variables(wish.document, version, wish.variables) == []


@each_version
def test_a_misspelt_field_would_be_noticed(version):
    variables = json.loads(json.dumps(EXAMPLES["discount_create"]))
    variables["basicCodeDiscount"]["usagelimit"] = 1
    assert wrong_variables("discount_create", version, variables) != []
    misspelt = DOCUMENTS["shop"].replace("ianaTimezone", "ianaTimeZone")
    assert validate(schema(version), parse(misspelt)) != []
