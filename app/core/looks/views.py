"""What the looks of a shop are, as pages and the storefront get them."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Look:
    """How a merchant wants the widget; the defaults are those of the widget itself."""

    accent: str = "#1d1d26"  # colours are #rrggbb, in small letters
    text: str = "#1d1d26"
    background: str = "#ffffff"
    icon: str = "gift"
    launcher: str = "both"  # both | icon: what the button shows
    corner: str = "end"  # end | start: of a line, as the shop's language is written
    offset: int = 20  # pixels from the edges of the screen
    radius: int = 16  # pixels
    hidden: tuple[str, ...] = ()  # kinds of pages without it


@dataclass(frozen=True, slots=True)
class Kept:
    """A look with its version: 0 for a shop that never chose one."""

    look: Look = field(default_factory=Look)
    version: int = 0
    edited_by: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Texts:
    """What a merchant says in a language instead of our words, by the key of the message."""

    language: str
    edits: dict[str, str] = field(default_factory=dict)
    version: int = 0


@dataclass(frozen=True, slots=True)
class Setup:
    """How far a shop is with its widget: whether its look was chosen, and when a page of its
    storefront last had it.
    """

    has_look: bool
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Advice:
    """What is hard to read about a colour, and the nearest one that is not."""

    field: str
    text: str
    instead: str
    is_refused: bool
