"""Holdfast: a loyalty app for Shopify merchants."""
