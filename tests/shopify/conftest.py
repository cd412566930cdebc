"""Settings with a current and a previous secret; what is tested here needs no servers."""

from collections.abc import Iterator

import pytest
import stamina

from app import config as settings
from app.shopify import graphql
from tests.shopify.answers import Shopify
from tests.shopify.signing import ALICE, PREVIOUS, SECRET


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> settings.Config:
    return settings.load(
        {
            "HOLDFAST_DATA": str(tmp_path_factory.mktemp("holdfast")),
            "SHOPIFY_API_KEY": "client-id",
            "SHOPIFY_API_SECRET": SECRET,
            "SHOPIFY_API_SECRET_PREVIOUS": PREVIOUS,
            "SHOPIFY_URL": "https://{shop}",
            "ADMIN_ORIGINS": "https://admin.shopify.com,http://localhost:8100",
            "APP_BRIDGE_URL": "https://cdn.shopify.com/shopifycloud/app-bridge.js",
        }
    )


@pytest.fixture(autouse=True)
def _no_waiting_between_tries() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    graphql.budgets.__init__()
    graphql._versions_told.clear()


@pytest.fixture
def ask(config):
    async def asking(
        shopify: Shopify,
        shop: str = ALICE,
        renew=None,
        document: str = "discount_by_code",
        **variables,
    ):
        async with shopify.client as client:
            return await graphql.execute(
                client, config, shop, "shpat_1", document, variables or {"code": "HF-1"}, renew
            )

    return asking
