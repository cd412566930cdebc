"""The stand-in store in this process, as the tests of rewards have it."""

from tests.points.rewards.conftest import fake_app, store

__all__ = ["fake_app", "store"]
