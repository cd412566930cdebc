"""What holds over the log holds over Kafka: the tests of tests/flow/bus/test_log.py."""

import pytest

from tests.flow.bus.test_log import *  # noqa: F403 - all of it

pytestmark = pytest.mark.operate
