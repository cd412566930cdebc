"""Webhook bodies made from answers of the Admin API: what never came goes the same way."""
