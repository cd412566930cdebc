"""Text as the stores can keep it."""


def clean(text: str, length: int) -> str:
    """Text as Postgres can keep it: without NUL and halves of surrogate pairs, and no longer
    than `length`.
    """
    if "\x00" in text:
        text = text.replace("\x00", "")
    if not text.isascii():
        text = text.encode(errors="ignore").decode()
    return text[:length]
