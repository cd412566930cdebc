"""HAProxy, told and asked by its socket."""

import re
import socket
from collections.abc import Mapping
from pathlib import Path

TIMEOUT_SECONDS = 2.0
NUMBER = re.compile(r"value=<(-?\d+)>")


class RouterError(Exception):
    """The router does not answer, or did not do what it was told."""


class Router:
    """The router at `socket_path`, whose pinned shops are in the map `pins_path`."""

    def __init__(self, socket_path: Path, pins_path: Path) -> None:
        self.socket_path = socket_path
        self.pins_path = pins_path

    def share(self) -> int:
        """What it gives to the canary, in parts of 10,000. Raises RouterError."""
        return self._number("canary_share")

    def is_taken_back(self) -> bool:
        """Whether it was told to take all shops back since it was told to begin. Raises
        RouterError.
        """
        return bool(self._number("canary_back"))

    def give(self, share: int) -> None:
        """Give the canary this share, at once. Raises RouterError unless it says so itself."""
        self._set("canary_share", share)

    def begin(self) -> None:
        """Forget that it took shops back once. Raises RouterError."""
        self._set("canary_back", 0)

    def take_back(self) -> None:
        """Give the canary nothing, and say so to whoever would give it more: the word that counts
        where nothing can be written down. Raises RouterError unless it says so itself.
        """
        self._set("canary_share", 0)
        self._set("canary_back", 1)

    def pin(self, pins: Mapping[str, str]) -> None:
        """Pin these shops to their track, and no others. Raises RouterError."""
        self.ask(f"clear map {self.pins_path}")
        for shop, track in pins.items():
            self.ask(f"add map {self.pins_path} {shop} {track}")
        held = {line.split()[1]: line.split()[2] for line in self._pinned()}
        if held != dict(pins):
            raise RouterError("The router did not take the pinned shops.")

    def ask(self, command: str) -> str:
        """What it answers. Raises RouterError."""
        try:
            with socket.socket(socket.AF_UNIX) as asking:
                asking.settimeout(TIMEOUT_SECONDS)
                asking.connect(str(self.socket_path))
                asking.sendall(command.encode() + b"\n")
                parts = []
                while part := asking.recv(65_536):
                    parts.append(part)
        except OSError as error:
            raise RouterError(f"The router does not answer: {error}.") from error
        return b"".join(parts).decode()

    def _number(self, name: str) -> int:
        found = NUMBER.search(self.ask(f"get var proc.{name}"))
        if found is None:
            raise RouterError(f"The router does not say its {name}.")
        return int(found[1])

    def _set(self, name: str, value: int) -> None:
        self.ask(f"experimental-mode on; set var proc.{name} int({value})")
        if self._number(name) != value:
            raise RouterError(f"The router did not take {value} for its {name}.")

    def _pinned(self) -> list[str]:
        return [line for line in self.ask(f"show map {self.pins_path}").splitlines() if line]
