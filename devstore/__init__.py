"""A stand-in Shopify for `make run` and the tests."""
