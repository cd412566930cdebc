"""Finds at Shopify what never arrived here: lost with Redis or Postgres, or never delivered."""
