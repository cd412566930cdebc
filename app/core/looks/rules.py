"""Which looks can be read and which texts can be said: contrast as WCAG 2 computes it, and the
gaps of messages.
"""

import colorsys
import re
from collections.abc import Mapping

from app.core.looks.views import Advice, Look

TEXT_RATIO, SHAPE_RATIO = 4.5, 3.0  # what WCAG AA asks of text, and of parts one has to find
COLOUR = re.compile(r"#[0-9a-f]{6}")
ICONS = ("gift", "star", "heart", "crown")
LAUNCHERS = ("both", "icon")
CORNERS = ("end", "start")
PAGES = ("home", "product", "collection", "cart", "other")
OFFSETS, RADII = (8, 120), (0, 28)  # pixels
TEXT_LENGTH_MAX = 200
TEXTS_LENGTH_MAX = 8_000  # of a language: every page of the shop loads them
DARK, LIGHT, BLACK = "#1d1d26", "#ffffff", "#000000"
HIGHLIGHTS = ("#ffc24b", "#ffe08a", "#8a5a00", LIGHT, BLACK)
ERRORS, GOODS = ("#b3261e", "#ffb4ab"), ("#14663a", "#7ddba3")
DARKEST = 0.04045  # up to it, sRGB is linear
STEPS = 510  # of lightness, between black and white
_GAP = re.compile(r"\{(\w*)\}")
_MARKUP = re.compile(r"<\s*[/!a-z]|javascript\s*:|&#|on\w+\s*=", re.IGNORECASE)


def ratio(one: str, other: str) -> float:
    """The contrast of two colours, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def nearest(colour: str, beside: str, least: float) -> str:
    """The colour of the same hue that differs least from it and has that contrast: black or white
    where none of the hue has.
    """
    if ratio(colour, beside) >= least:
        return colour
    hue, lightness, saturation = colorsys.rgb_to_hls(*_parts(colour))
    for step in range(1, STEPS + 1):
        for moved in (lightness - step / STEPS, lightness + step / STEPS):
            if 0 <= moved <= 1:
                found = _hex(colorsys.hls_to_rgb(hue, moved, saturation))
                if ratio(found, beside) >= least:
                    return found
    return max((BLACK, LIGHT), key=lambda one: ratio(one, beside))


def advice(look: Look) -> list[Advice]:
    """What of these colours cannot be read, or is hard to see, with what could be instead."""
    found = []
    has = ratio(look.text, look.background)
    if has < TEXT_RATIO:
        text = (
            f"This text is hard to read on its background: their contrast is {has:.1f}, and "
            f"{TEXT_RATIO} is needed."
        )
        instead = nearest(look.text, look.background, TEXT_RATIO)
        found.append(Advice("text", text, instead, is_refused=True))
    has = ratio(look.accent, look.background)
    if has < SHAPE_RATIO:
        text = (
            f"Buttons hardly stand out from the background: their contrast is {has:.1f}, and "
            f"{SHAPE_RATIO:.0f} is better."
        )
        instead = nearest(look.accent, look.background, SHAPE_RATIO)
        found.append(Advice("accent", text, instead, is_refused=False))
    return found


def colours(look: Look) -> dict[str, str]:
    """All colours of the widget, by the names it has for them: each readable where it stands."""
    accent, text, background = look.accent, look.text, look.background
    highlight = _first(HIGHLIGHTS, accent, SHAPE_RATIO)
    # what stands out a little from the background; where the text would be lost on it, nothing does
    soft = _first((_mixed(text, background, 0.05), background), text, TEXT_RATIO)
    return {
        "accent": accent,
        "on_accent": _first((LIGHT, DARK, BLACK), accent, TEXT_RATIO),
        "highlight": highlight,
        "on_highlight": _first((DARK, LIGHT, BLACK), highlight, TEXT_RATIO),
        "surface": background,
        "soft": soft,
        "text": text,
        "muted": nearest(_mixed(text, background, 0.7), soft, TEXT_RATIO),
        "line": _mixed(text, background, 0.12),
        "error": _first(ERRORS, soft, TEXT_RATIO),
        "good": _first(GOODS, soft, TEXT_RATIO),
    }


def text_problem(text: str, ours: str) -> str:
    """Why this cannot be said in place of `ours`; empty when it can."""
    if len(text) > TEXT_LENGTH_MAX:
        return f"Please use at most {TEXT_LENGTH_MAX} characters."
    if _MARKUP.search(text):
        return "Please write plain text: tags and scripts are not used in the widget."
    known = set(_GAP.findall(ours))
    for name in _GAP.findall(text):
        if name not in known:
            return f"There is no {{{name}}} in this text; {_usable(known)}"
    if re.search(r"[{}]", _GAP.sub("", text)):
        return f"A curly bracket is open or left over; {_usable(known)}"
    return ""


def texts_problems(
    edits: Mapping[str, str], messages: Mapping[str, str], every: Mapping[str, str]
) -> dict[str, str]:
    """What is wrong with `edits`, by their key; `every` are all of the language with them. The
    problem under "" is about all together.
    """
    found = {}
    for key, text in edits.items():
        problem = text_problem(text, messages[key]) if key in messages else "There is no such text."
        if problem:
            found[key] = problem
    whole = sum(len(text) for text in every.values())
    if whole > TEXTS_LENGTH_MAX:
        found[""] = (
            f"All your texts of a language together can have {TEXTS_LENGTH_MAX:,} characters; "
            f"these have {whole:,}."
        )
    return found


def _usable(known: set[str]) -> str:
    names = " and ".join(f"{{{name}}}" for name in sorted(known))
    return f"it can have {names}." if names else "it has no such gaps."


def _first(colours: tuple[str, ...], beside: str, least: float) -> str:
    passing = (one for one in colours if ratio(one, beside) >= least)
    return next(passing, max(colours, key=lambda one: ratio(one, beside)))


def _luminance(colour: str) -> float:
    red, green, blue = (
        part / 12.92 if part <= DARKEST else ((part + 0.055) / 1.055) ** 2.4
        for part in _parts(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mixed(colour: str, other: str, share: float) -> str:
    pairs = zip(_parts(colour), _parts(other), strict=True)
    red, green, blue = (one * share + two * (1 - share) for one, two in pairs)
    return _hex((red, green, blue))


def _parts(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _hex(parts: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in parts)
