"""Changes how the widget looks in a shop and what it says: each change is a new version of its
part, and one made from an old version is refused.
"""

from collections.abc import Mapping

import msgspec

from app import db, text
from app.core.looks import reads, rules
from app.core.looks.views import Advice, Kept, Look, Texts
from app.db import Connection
from app.errors import BadInputError, ConflictError

VERSIONS_KEPT = 20  # of a part
LANGUAGE_UNKNOWN = "The widget does not speak this language."
# two edits at once: the second becomes the version after the first
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('appearance/' || $1::text, 0))"
INSERT = """
INSERT INTO appearances (shop, part, version, said, edited_by, created_at)
VALUES ($1, $2, $3, $4, $5, now())
"""
FORGET = "DELETE FROM appearances WHERE shop = $1 AND part = $2 AND version <= $3"
SEEN = """
UPDATE shops SET widget_seen_at = now()
 WHERE domain = $1 AND (widget_seen_at IS NULL OR widget_seen_at < now() - interval '1 hour')
"""


class StaleLookError(ConflictError):
    """Somebody else saved another look meanwhile: `current` is theirs."""

    code = "stale"

    def __init__(self, current: Kept) -> None:
        super().__init__(
            "Somebody else changed the appearance meanwhile. Nothing of yours was saved yet."
        )
        self.current = current


class StaleTextsError(ConflictError):
    """Somebody else saved other texts meanwhile: `current` are theirs."""

    code = "stale"

    def __init__(self, current: Texts) -> None:
        super().__init__(
            "Somebody else changed these texts meanwhile. Nothing of yours was saved yet."
        )
        self.current = current


def look_problems(look: Look) -> dict[str, str]:
    """What is wrong with a look, by field: for the form, before it is saved."""
    found = {}
    for name in ("accent", "text", "background"):
        if not rules.COLOUR.fullmatch(getattr(look, name)):
            found[name] = "Please give a colour as #rrggbb, such as #1d1d26."
    for name, allowed in (
        ("icon", rules.ICONS),
        ("launcher", rules.LAUNCHERS),
        ("corner", rules.CORNERS),
    ):
        if getattr(look, name) not in allowed:
            found[name] = "Please choose one of these."
    for name, (least, most) in (("offset", rules.OFFSETS), ("radius", rules.RADII)):
        if not least <= getattr(look, name) <= most:
            found[name] = f"Please give whole pixels from {least} to {most}."
    if set(look.hidden) - set(rules.PAGES):
        found["hidden"] = "Please choose among these pages."
    if not found:
        found = {one.field: one.text for one in rules.advice(look) if one.is_refused}
    return found


def advice(look: Look) -> list[Advice]:
    """What of the colours of a look without problems in its form is hard to read or see."""
    return rules.advice(look)


def text_problems(
    language: str, edits: Mapping[str, str], every: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What is wrong with texts of a language, by the key of the message: for the form. `every` are
    all of the language with them.
    """
    if language not in reads.LANGUAGES:
        return {"": LANGUAGE_UNKNOWN}
    return rules.texts_problems(edits, reads.messages(language), every or edits)


async def save_look(shop: str, look: Look, by: str, seen_version: int | None) -> Kept:
    """A new version of the shop's look; what stays the same makes none. `seen_version` is the one
    the editor was looking at.

    Raises BadInputError with the first problem of `look_problems`, StaleLookError.
    """
    for problem in look_problems(look).values():
        raise BadInputError(problem)
    async with db.transaction() as conn:
        await conn.execute(LOCK, shop)
        rows = await conn.fetch(reads.SELECT, shop, [reads.LOOK])
        current = reads.kept(rows[0]) if rows else Kept()
        if current.look == look and current.version:
            return current
        if seen_version not in {None, current.version}:
            raise StaleLookError(current)
        await _insert(conn, shop, reads.LOOK, current.version + 1, look, by)
    return await reads.look(shop)


async def save_texts(
    shop: str, language: str, edits: Mapping[str, str], by: str, seen_version: int | None
) -> Texts:
    """A new version of the shop's texts of a language: `edits` over those that are there, an empty
    one gives ours back.

    Raises BadInputError with the first problem of `text_problems`, StaleTextsError.
    """
    if language not in reads.LANGUAGES:
        raise BadInputError(LANGUAGE_UNKNOWN)
    part, ours = reads.part_of(language), reads.messages(language)
    clean = {key: " ".join(text.clean(said, 10_000).split()) for key, said in edits.items()}
    async with db.transaction() as conn:
        await conn.execute(LOCK, shop)
        current = reads.said(language, await conn.fetch(reads.SELECT, shop, [part]))
        merged = {**current.edits, **clean}
        every = {key: said for key, said in merged.items() if said and said != ours.get(key)}
        for problem in text_problems(language, clean, every).values():
            raise BadInputError(problem)
        if every == current.edits:
            return current
        if seen_version not in {None, current.version}:
            raise StaleTextsError(current)
        await _insert(conn, shop, part, current.version + 1, every, by)
    return await reads.texts(shop, language)


async def note_seen(shop: str) -> None:
    """The widget asked from this shop's storefront: it is switched on there."""
    async with db.connection() as conn:
        await conn.execute(SEEN, shop)


async def _insert(
    conn: Connection, shop: str, part: str, version: int, said: object, by: str
) -> None:
    written = msgspec.json.encode(said).decode()
    await conn.execute(INSERT, shop, part, version, written, text.clean(by, 64))
    await conn.execute(FORGET, shop, part, version - VERSIONS_KEPT)
