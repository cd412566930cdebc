"""The tables of core: shops with their tokens, and the compliance requests Shopify sends."""

from typing import Any

from tortoise import fields
from tortoise.models import Model


class Shop(Model):
    """A shop that installed the app; its tokens are stored encrypted."""

    domain = fields.CharField(primary_key=True, max_length=255)  # name.myshopify.com, lower case
    name = fields.CharField(max_length=255, default="")
    currency = fields.CharField(max_length=3, default="USD")
    timezone = fields.CharField(max_length=64, default="UTC")
    status = fields.CharField(
        max_length=16, default="active"
    )  # active | needs_reopen | uninstalled
    plan = fields.CharField(max_length=32, default="standard")
    access_token = fields.BinaryField(null=True)
    access_expires_at = fields.DatetimeField(null=True)
    refresh_token = fields.BinaryField(null=True)
    refresh_expires_at = fields.DatetimeField(null=True)
    scopes = fields.TextField(default="")
    token_version = fields.IntField(default=0)
    token_claimed_until = fields.DatetimeField(
        null=True
    )  # who renews the tokens has the claim; it lapses by itself
    installed_at = fields.DatetimeField(auto_now_add=True)
    uninstalled_at = fields.DatetimeField(null=True)
    leaving_at = fields.DatetimeField(null=True)  # it is said to have left then; not confirmed yet
    leaving_ask_at = fields.DatetimeField(null=True)  # when Shopify is asked next whether it has
    leaving_tries = fields.IntField(null=True)
    stayed_at = fields.DatetimeField(null=True)  # when Shopify last showed that it had not left

    class Meta:
        table = "shops"


class ComplianceRequest(Model):
    """A data request or redaction Shopify sent, accepted and recorded: due within thirty days."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    topic = fields.CharField(max_length=32)
    reference = fields.CharField(max_length=128)
    payload: Any = fields.JSONField()
    state = fields.CharField(max_length=16, default="received")
    received_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "compliance_requests"
        unique_together = (("shop", "topic", "reference"),)
