"""Tiers: what a member reached by what they bought, and what that gives them."""
