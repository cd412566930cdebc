"""Bonuses of campaigns: our copies of them, what they do for an order, what they have given."""
