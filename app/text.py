"""Text as the stores can keep it, and as it is found."""

import unicodedata


def clean(text: str, length: int) -> str:
    """Text as Postgres can keep it: without NUL and halves of surrogate pairs, and no longer
    than `length`.
    """
    if "\x00" in text:
        text = text.replace("\x00", "")
    if not text.isascii():
        text = text.encode(errors="ignore").decode()
    return text[:length]


def fold(text: str) -> str:
    """Text as it is searched for and sorted by: small letters without accents, single spaces."""
    if not text.isascii():
        apart = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return " ".join(text.casefold().split())
