"""The tables of core: shops with their tokens, their customers, and the compliance requests
Shopify sends.
"""

from typing import Any

from tortoise import fields

from app.tables import Model

MADE_BY_MIGRATIONS = ("last_orders", "reconciliations")  # tables of ours that models cannot say


class Shop(Model):
    """A shop that installed the app; its tokens are stored encrypted."""

    domain = fields.CharField(primary_key=True, max_length=255)  # name.myshopify.com, lower case
    name = fields.CharField(max_length=255, default="")
    currency = fields.CharField(max_length=3, default="USD")
    timezone = fields.CharField(max_length=64, default="UTC")
    said_at = fields.DatetimeField(null=True)  # when it said the three above of itself
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
    widget_seen_at = fields.DatetimeField(null=True)  # when its storefront last had the widget

    class Meta:
        table = "shops"


class Customer(Model):
    """Who a customer of a shop is; services keep the id and their figures, and ask core for
    names.
    """

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    customer_id = fields.CharField(max_length=32)
    name = fields.CharField(max_length=512, default="")
    sort_name = fields.CharField(max_length=255)  # folded; customers.NAMELESS without a name
    email = fields.CharField(max_length=320, default="")
    profile_updated_at = fields.DatetimeField(null=True)  # Shopify's, of name and e-mail
    person_at = fields.DatetimeField(null=True)  # of the order they are from, without a profile
    consent = fields.CharField(max_length=32, default="")  # to e-mail marketing; empty: not told
    consent_at = fields.DatetimeField(null=True)
    first_order_at = fields.DatetimeField(null=True)
    first_order_id = fields.CharField(max_length=32, null=True)
    merged_into = fields.CharField(max_length=32, null=True)  # the customer id that stayed
    deleted_at = fields.DatetimeField(null=True)  # a row without anything personal from then on
    joined_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "customers"
        # the indexes of searching and sorting are over expressions: the migrations have them
        unique_together = (("shop", "customer_id"),)


class CustomerNote(Model):
    """What staff wrote about a customer; never changed, and gone with a customer who is deleted."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    customer_id = fields.CharField(max_length=32)
    key = fields.CharField(max_length=128)  # the form's own: sent twice, it is one note
    text = fields.TextField()
    written_by = fields.CharField(max_length=64)  # the id of staff
    written_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "customer_notes"
        unique_together = (("shop", "customer_id", "key"),)


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


class Appearance(Model):
    """A version of how the widget looks in a shop, or of what it says there in a language."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    part = fields.CharField(max_length=16)  # look, or texts.de
    version = fields.IntField()
    said = fields.TextField()  # JSON: looks.views.Look, or texts by the key of their message
    edited_by = fields.CharField(max_length=64, default="")
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "appearances"
        unique_together = (("shop", "part", "version"),)
