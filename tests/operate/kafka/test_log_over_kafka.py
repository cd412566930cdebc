"""What holds over the log holds over Kafka: the tests of tests/flow/bus/test_log.py."""

import pytest

from tests.flow.bus.test_log import *  # noqa: F403 - all of it

pytestmark = pytest.mark.operate
# it gives the relay's place a number that no message has, and so there is nothing to wait for
del test_a_log_moved_to_a_younger_cluster_goes_on_above_what_was_read  # noqa: F821
del test_a_reader_is_woken_and_does_not_have_to_look  # noqa: F821 - see test_faults
