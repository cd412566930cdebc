"""The merchant's browser of the admin tests."""

from tests.admin.conftest import _fresh_process, alice, charlie, http

__all__ = ["_fresh_process", "alice", "charlie", "http"]
