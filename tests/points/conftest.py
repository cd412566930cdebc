"""Hypothesis without a deadline for one example: a busy machine is no bug."""

from hypothesis import settings

settings.register_profile("holdfast", deadline=None)
settings.load_profile("holdfast")
