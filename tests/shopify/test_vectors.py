"""The signatures Shopify and its libraries have published."""

import json
from pathlib import Path

import pytest

from app.shopify import verify

FILE = Path(__file__).resolve().parents[3] / "shared/shopify/vectors/hmac-vectors.json"
VECTORS = json.loads(FILE.read_text()) if FILE.exists() else {}
needs_vectors = pytest.mark.skipif(
    not VECTORS, reason="The published signatures are not beside this checkout."
)


@needs_vectors
@pytest.mark.parametrize("vector", VECTORS.get("webhook_body_hmac_base64", []))
def test_a_published_webhook_digest_is_accepted_for_its_body_alone(vector):
    body = vector["raw_body"].encode()
    assert verify.webhook_hmac_ok(body, vector["expected"], ("another", vector["secret"]))
    assert not verify.webhook_hmac_ok(body + b" ", vector["expected"], (vector["secret"],))


@needs_vectors
@pytest.mark.parametrize("vector", VECTORS.get("app_proxy_signature_hex", []))
def test_a_published_proxy_signature_is_accepted(vector):
    query = f"{vector['query']}&signature={vector['expected']}".encode()
    caller = verify.verify_proxy(query, ("another", vector["secret"]), 1_317_327_555)
    assert caller.shop == "shop-name.myshopify.com"
    assert caller.customer_id == ("1" if "logged_in_customer_id=1" in vector["query"] else None)
    assert caller.path_prefix == "/apps/awesome_reviews"


@needs_vectors
def test_there_are_vectors_of_both_kinds():
    assert len(VECTORS["webhook_body_hmac_base64"]) >= 3
    assert len(VECTORS["app_proxy_signature_hex"]) >= 3
