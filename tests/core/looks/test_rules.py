"""Colours that can be read beside each other, and texts that can be said."""

import pytest

from app.core.looks import reads, rules
from app.core.looks.views import Look


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        # as WCAG's own examples and tools have them
        ("#000000", "#ffffff", 21.0),
        ("#777777", "#ffffff", 4.48),
        ("#767676", "#ffffff", 4.54),
        ("#ff0000", "#ffffff", 4.0),
        ("#0000ff", "#ffffff", 8.59),
        ("#ffffff", "#ffffff", 1.0),
    ],
)
def test_the_contrast_is_the_one_of_wcag_both_ways_round(
    one: str, other: str, ratio: float
) -> None:
    assert rules.ratio(one, other) == pytest.approx(ratio, abs=0.005)
    assert rules.ratio(other, one) == rules.ratio(one, other)


def test_the_nearest_colour_passes_and_none_nearer_does() -> None:
    assert rules.nearest("#777777", "#ffffff", 4.5) == "#767676"
    assert rules.nearest("#767676", "#ffffff", 4.5) == "#767676"
    assert rules.nearest("#333333", "#000000", 4.5) == "#757575"
    for hue in ("#ff6b6b", "#ffd400", "#66ccff", "#00ff00"):
        found = rules.nearest(hue, "#ffffff", 4.5)
        assert 4.5 <= rules.ratio(found, "#ffffff") < 4.7


@pytest.mark.parametrize("accent", ["#1d1d26", "#ffd400", "#ff0000", "#777777", "#00ff00"])
@pytest.mark.parametrize(
    ("text", "background"),
    [("#1d1d26", "#ffffff"), ("#f0f0f0", "#101014"), ("#767676", "#ffffff"), ("#000", "#777")],
)
def test_whatever_is_chosen_every_text_of_the_widget_can_be_read(
    accent: str, text: str, background: str
) -> None:
    if len(text) == 4:
        text, background = (f"#{one[1:] * 2}" for one in (text, background))
    found = rules.colours(Look(accent, text, background))
    ratio = rules.ratio
    assert ratio(found["on_accent"], found["accent"]) >= 4.5
    assert ratio(found["highlight"], found["accent"]) >= 3
    assert ratio(found["on_highlight"], found["highlight"]) >= 4.5
    for name in ("text", "muted"):
        assert ratio(found[name], found["surface"]) >= 4.4, name
        assert ratio(found[name], found["soft"]) >= 4.4, name


def test_text_that_cannot_be_read_is_refused_and_a_pale_button_only_advised_against() -> None:
    found = rules.advice(Look(accent="#ffee00", text="#999999"))
    assert [(one.field, one.is_refused) for one in found] == [("text", True), ("accent", False)]
    for one in found:
        least = 4.5 if one.is_refused else 3
        assert rules.ratio(one.instead, "#ffffff") >= least
    assert rules.advice(Look()) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Deine {points} für {reward}", ""),
        ("Just words & 'signs' > 3", ""),
        ("{points} von {name}", "There is no {name} in this text; it can have {points} and"),
        ("{points", "A curly bracket is open or left over"),
        ("{}", "There is no {} in this text"),
        ("<script>alert(1)</script>", "Please write plain text"),
        ("<b>Now</b>", "Please write plain text"),
        ("javascript:alert(1)", "Please write plain text"),
        ("x" * 201, "Please use at most 200 characters."),
    ],
)
def test_a_text_has_no_script_and_no_gap_that_nothing_fills(text: str, problem: str) -> None:
    ours = "Use {points} for {reward}?"
    found = rules.text_problem(text, ours)
    assert found.startswith(problem)
    assert bool(found) == bool(problem)


def test_our_own_texts_pass_their_own_rules_in_every_language() -> None:
    for language in reads.LANGUAGES:
        messages = reads.messages(language)
        assert len(messages) > 100
        assert rules.texts_problems(messages, messages, {}) == {}, language
