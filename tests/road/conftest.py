"""The running stack, whose stand-in store holds its webhooks back."""

from collections.abc import Iterator

import pytest

from tests.stack import Stack


@pytest.fixture
def holding(stack: Stack) -> Iterator[Stack]:
    """The stack, whose store sends a webhook only when it is told to."""
    stack.control("POST", "webhooks", {"hold": ["*"]})
    yield stack
    stack.control("POST", "webhooks", {"hold": []})
