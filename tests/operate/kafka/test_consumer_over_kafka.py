"""What holds over the log holds over Kafka: the tests of tests/flow/bus/test_consumer.py."""

import pytest

from tests.flow.bus.test_consumer import *  # noqa: F403 - all of it

pytestmark = pytest.mark.operate
# the relay's own signature is verified by the bus, whose secrets are fixed here: see test_messages
del test_facts_signed_before_a_rotation_are_handled_after_it  # noqa: F821
