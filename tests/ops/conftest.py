"""How a canary goes in tests."""

from pathlib import Path

import pytest

from ops.canary.controller import Plan


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(tmp_path, step_seconds=0.02, look_every_seconds=0.001, blind_seconds=0.05)
