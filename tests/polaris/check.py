"""Whether the Polaris in a page is what Polaris takes: elements, attributes, values and slots."""

import json
from html.parser import HTMLParser
from typing import Any

from tests.polaris.facts import WRITTEN_TO

FACTS: dict[str, Any] = json.loads(WRITTEN_TO.read_text(encoding="utf-8"))
# of App Bridge, which makes the app's menu of it; its links say which of them is home
MENU = "s-app-nav"
# what any element of HTML takes, and what is ours
GLOBAL = {"id", "class", "slot"}
OURS = ("data-", "hx-")
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
# who may stand in whom, where Polaris asks for it
PARENTS = {
    "s-table-header-row": {"s-table"},
    "s-table-body": {"s-table"},
    "s-table-header": {"s-table-header-row"},
    "s-table-row": {"s-table-body"},
    "s-table-cell": {"s-table-row"},
    "s-option": {"s-select", "s-option-group"},
    "s-choice": {"s-choice-list"},
}


class Checking(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        parent = self.open[-1] if self.open else ""
        if tag not in VOID:
            self.open.append(tag)
        given = dict(attrs)
        if parent.startswith("s-") and given.get("slot"):
            self._slot(parent, str(given["slot"]))
        elif given.get("slot") and not parent.startswith("s-"):
            self.wrong.append(f"<{tag} slot> stands in <{parent}>, which is none of Polaris")
        if tag.startswith("s-") and tag != MENU:
            self.seen.add(tag)
            self._element(tag, parent, given)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if tag not in self.open:
            self.wrong.append(f"</{tag}> ends nothing")
            return
        while self.open.pop() != tag:
            pass

    def _slot(self, parent: str, slot: str) -> None:
        if slot not in FACTS.get(parent, {"slots": []})["slots"]:
            self.wrong.append(f"<{parent}> has no slot {slot}")

    def _element(self, tag: str, parent: str, given: dict[str, str | None]) -> None:
        if tag not in FACTS:
            self.wrong.append(f"there is no <{tag}>")
            return
        if parent not in PARENTS.get(tag, {parent}):
            self.wrong.append(f"<{tag}> stands in <{parent}>")
        # HTML knows no capitals in names of attributes
        taken = {name.lower(): kind for name, kind in FACTS[tag]["attributes"].items()}
        for name, value in given.items():
            if name in taken:
                if not fits(value or "", taken[name]):
                    self.wrong.append(f"<{tag} {name}> takes no {value!r}")
            elif not (
                name in GLOBAL or name.startswith(OURS) or (parent == MENU and name == "rel")
            ):
                self.wrong.append(f"<{tag}> takes no {name}")


def fits(value: str, kind: str | list[str]) -> bool:
    if isinstance(kind, list):
        return value in kind
    if kind == "number":
        return value.lstrip("-").isdigit()
    return kind != "boolean" or value == ""


def wrong(html: str) -> list[str]:
    """What of the page Polaris would not take."""
    return checked(html).wrong


def checked(html: str) -> Checking:
    checking = Checking()
    checking.feed(html)
    return checking
