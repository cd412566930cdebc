"""Tiers: placing, settings, time, history."""
