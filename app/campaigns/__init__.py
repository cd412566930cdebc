"""Campaigns: what merchants give besides the rate, when, to whom and how much of it."""
