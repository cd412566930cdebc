"""What a form so far comes to, in plain sentences under its fields while they are filled in."""

from collections.abc import Iterable, Sequence

from starlette.responses import HTMLResponse

from app.web import views


def said(sentences: Sequence[str]) -> HTMLResponse:
    """What takes the place of the form's `#example`."""
    html = views.environment.get_template("example.html").render(example=sentences)
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


def missing(problems: Iterable[str]) -> list[str]:
    """What is said instead of sentences that need more; empty when nothing is missing."""
    return [f"Not complete yet: {problem}" for problem in problems][:1]


def counted(number: int, noun: str) -> str:
    """ "1 day", "1,000 points"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
