"""What the checks look with: the stores of an installation, its settings, a client for HTTP."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import httpx

from app import db
from app.config import Config


@dataclass(frozen=True, slots=True)
class Look:
    """An installation as a check sees it; `environ` is that of whoever asks."""

    config: Config
    stores: db.Stores
    environ: Mapping[str, str]
    http: httpx.AsyncClient


# What is missing, each as a sentence that says what to do; none when all is well. Raises what the
# part it asks raises: a part that does not answer is missing.
Check = Callable[[Look], Awaitable[list[str]]]
