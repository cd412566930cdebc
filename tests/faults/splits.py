"""A network that splits between sentinels, by the kernel's hand: on one side a primary, a replica
and a sentinel, on the other a replica and two sentinels.
"""

import subprocess
from typing import Any

from tests.sentinels import NAME, Sentinels

# addresses of the loopback interface: of one side, of the other, and the other's again, as whoever
# is on the first side reaches it
LEFT, RIGHT, RIGHT_FROM_LEFT = "127.0.77.1", "127.0.77.2", "127.0.77.3"
CUT = ((LEFT, RIGHT), (RIGHT, LEFT), ("127.0.0.1", RIGHT_FROM_LEFT))
LEFT_REDISES, LEFT_SENTINELS = 2, 1


class Split(Sentinels):
    """Whole until `cut`, and again after `heal`."""

    host = LEFT

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, replicas=2, **more)

    def redis_options(self, number: int) -> tuple[str, ...]:
        side = LEFT if number <= LEFT_REDISES else RIGHT
        return (
            *("--bind", "127.0.0.1", side, "--bind-source-addr", side),
            *("--replica-announce-ip", side, "--repl-timeout", "5"),
        )

    def sentinel_lines(self, port: int) -> str:
        side = LEFT if self.ports.index(port) < LEFT_SENTINELS else RIGHT
        besides = "" if side == LEFT else f" {RIGHT_FROM_LEFT}"
        return (
            f"bind 127.0.0.1 {side}{besides}\nbind-source-addr {side}\n"
            f"sentinel announce-ip {side}\n"
        )

    @property
    def url_left(self) -> str:
        """As it is reached from the side of the first primary."""
        sides = [LEFT] * LEFT_SENTINELS + [RIGHT_FROM_LEFT] * (len(self.ports) - LEFT_SENTINELS)
        hosts = ",".join(f"{side}:{port}" for side, port in zip(sides, self.ports, strict=True))
        return f"redis+sentinel://{hosts}/{NAME}/0"

    @property
    def url_right(self) -> str:
        hosts = ",".join(f"{RIGHT}:{port}" for port in self.ports[LEFT_SENTINELS:])
        return f"redis+sentinel://{hosts}/{NAME}/0"

    def cut(self) -> None:
        self._rules("-I")

    def heal(self) -> None:
        self._rules("-D")

    def _rules(self, what: str) -> None:
        for source, target in CUT:
            told = ["iptables", what, "INPUT", "-s", source, "-d", target, "-j", "DROP"]
            subprocess.run(told, check=True, capture_output=True)
