"""What holds over the log holds over Kafka: the tests of tests/flow/bus/test_poison.py."""

import pytest

from tests.flow.bus.test_poison import *  # noqa: F403 - all of it

pytestmark = pytest.mark.operate
