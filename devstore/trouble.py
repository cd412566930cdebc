"""How Shopify's APIs misbehave when asked: slow, throttled, failing, gone, late, or refusing."""

import asyncio
from dataclasses import dataclass, field
from typing import Literal, get_args

from starlette.responses import JSONResponse, PlainTextResponse, Response

from devstore.errors import RefusedError

Mode = Literal["normal", "slow", "throttle", "fail", "gone", "late", "lost", "refuse", "deny"]
MODES: tuple[str, ...] = get_args(Mode)
SECONDS_LIMIT = 120.0
EXPLANATIONS = {
    "normal": "Answers at once.",
    "slow": "Waits before it does anything.",
    "throttle": "Says that the app has used up its budget.",
    "fail": "Answers 500 to everything.",
    "gone": "Answers 503 with an empty page, as if it were not there.",
    "late": "Does the work, but the answer comes after the caller has given up.",
    "lost": "Does the work, and its answer never arrives.",
    "refuse": "Says no to every new discount, gift card and store credit.",
    "deny": "Says that the app may read, and change nothing.",
}


@dataclass
class Trouble:
    """`mode` is everybody's, but for the shops that have one of their own."""

    mode: str = "normal"
    seconds: float = 10.0
    modes: dict[str, str] = field(default_factory=dict)  # by shop

    def change(self, mode: str, seconds: float | None = None, shop: str = "") -> None:
        """For everybody, or for one shop alone.

        Raises RefusedError for an unknown mode or a wait outside 0 to 120 seconds.
        """
        if mode not in MODES:
            raise RefusedError(f"The mode is one of {', '.join(MODES)}.")
        if seconds is not None and not 0 <= seconds <= SECONDS_LIMIT:
            raise RefusedError(f"The wait is between 0 and {SECONDS_LIMIT:.0f} seconds.")
        if shop:
            self.modes[shop] = mode
        else:
            self.mode, self.modes = mode, {}
        if seconds is not None:
            self.seconds = seconds

    def of(self, shop: str) -> str:
        return self.modes.get(shop, self.mode)

    async def before(self, shop: str) -> Response | None:
        """The answer instead of doing the work, or None to go on."""
        mode = self.of(shop)
        if mode == "slow":
            await asyncio.sleep(self.seconds)
        if mode == "fail":
            return JSONResponse({"errors": "Internal Server Error"}, status_code=500)
        if mode == "gone":
            return PlainTextResponse("", status_code=503)
        return None

    async def after(self, shop: str) -> Response | None:
        """The answer in place of the true one, once the work is done."""
        if self.of(shop) == "late":
            await asyncio.sleep(self.seconds)
        if self.of(shop) == "lost":
            return PlainTextResponse("", status_code=502)
        return None
