"""Every process of Holdfast with a stand-in store, for as long as somebody needs them."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests import template
from tests.stack import SHOP, Stack


@contextmanager
def living(shops: Sequence[str] = (SHOP,), **settings: str) -> Iterator[Stack]:
    """A stack of its own with these settings, in which these shops opened the app once."""
    with (
        template.folder(),
        tempfile.TemporaryDirectory(prefix="holdfast-stack-", ignore_cleanup_errors=True) as name,
    ):
        Path(name).chmod(0o755)
        stack = Stack(Path(name), **settings)
        try:
            stack.start_everything()
            for shop in shops:
                stack.install(shop)
            yield stack
        finally:
            stack.stop_everything()
