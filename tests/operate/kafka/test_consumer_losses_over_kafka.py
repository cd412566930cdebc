"""What holds over the log holds over Kafka: the tests of tests/flow/bus/test_consumer_losses.py."""

import pytest

from tests.flow.bus.test_consumer_losses import *  # noqa: F403 - all of it

pytestmark = pytest.mark.operate
