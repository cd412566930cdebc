"""Nothing is remembered from one test to the next."""

import pytest

from app.referrals import keys


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    keys.forget()
