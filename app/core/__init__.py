"""Shops, their tokens and plans, and compliance requests."""
