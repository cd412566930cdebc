"""What a shop's widget looks like and says, and what it says by itself."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from app import config, db
from app.core.looks import rules
from app.core.looks.views import Kept, Look, Setup, Texts

LOOK = "look"  # the part of a shop's appearance that texts are not
LANGUAGES = {"en": "English", "de": "Deutsch", "es": "Español", "fr": "Français"}
FIRST = "en"
SELECT_SETUP = """
SELECT EXISTS (SELECT FROM appearances WHERE shop = $1 AND part = $2) AS has_look,
       (SELECT widget_seen_at FROM shops WHERE domain = $1) AS seen_at
"""
SELECT = """
SELECT DISTINCT ON (part) part, version, said, edited_by, created_at FROM appearances
 WHERE shop = $1 AND part = ANY($2::text[]) ORDER BY part, version DESC
"""


def messages(language: str) -> dict[str, str]:
    """What the widget says in one of LANGUAGES, by the key of each message."""
    return _messages[language]


def part_of(language: str) -> str:
    """The part of a shop's appearance that its texts of a language are."""
    return f"texts.{language}"


async def look(shop: str) -> Kept:
    """The shop's look; the widget's own when it never chose one."""
    async with db.connection() as conn:
        rows = await conn.fetch(SELECT, shop, [LOOK])
    return kept(rows[0]) if rows else Kept()


async def texts(shop: str, language: str) -> Texts:
    """The shop's own words in a language."""
    async with db.connection() as conn:
        rows = await conn.fetch(SELECT, shop, [part_of(language)])
    return said(language, rows)


async def told(shop: str) -> dict[str, Any]:
    """What the storefront tells the widget: `{"appearance": {…} or None, "texts": {language:
    {key: text}}}`.
    """
    parts = {part_of(language): language for language in LANGUAGES}
    async with db.connection() as conn:
        rows = await conn.fetch(SELECT, shop, [LOOK, *parts])
    found: dict[str, Any] = {"appearance": None, "texts": {}}
    for row in rows:
        if row["part"] == LOOK:
            found["appearance"] = shown(kept(row).look)
        elif edits := said(parts[row["part"]], [row]).edits:
            found["texts"][parts[row["part"]]] = edits
    return found


async def setup(shop: str) -> Setup:
    """How far a shop is with its widget."""
    async with db.connection() as conn:
        row = await conn.fetchrow(SELECT_SETUP, shop, LOOK)
    return Setup(row["has_look"], row["seen_at"])


def shown(look: Look) -> dict[str, Any]:
    """A look as the widget takes it."""
    return {
        "colours": rules.colours(look),
        "icon": look.icon,
        "launcher": look.launcher,
        "corner": look.corner,
        "offset": look.offset,
        "radius": look.radius,
        "hidden": list(look.hidden),
    }


def kept(row: db.Row) -> Kept:
    """A look as it is kept."""
    look = msgspec.json.decode(row["said"], type=Look)
    return Kept(look, row["version"], row["edited_by"], row["created_at"])


def said(language: str, rows: Sequence[db.Row]) -> Texts:
    """The texts of a language as they are kept; a message that is no more says nothing."""
    if not rows:
        return Texts(language)
    edits = msgspec.json.decode(rows[0]["said"], type=dict[str, str])
    known = _messages[language]
    return Texts(language, {key: edits[key] for key in edits if key in known}, rows[0]["version"])


def _read(language: str) -> dict[str, str]:
    path = config.ROOT / "static" / "widget" / "locales" / f"{language}.json"
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found


_messages = {language: _read(language) for language in LANGUAGES}
