"""Wishes for points from outside: shoppers, a shop's own server and its key, Shopify Flow."""
