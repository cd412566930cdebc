"""The pages of campaigns are opened as all of admin is."""

from tests.admin.conftest import _fresh_process, alice, charlie, http

__all__ = ["_fresh_process", "alice", "charlie", "http"]
