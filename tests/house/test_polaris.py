"""Pages are written once and drawn twice, and what is drawn in Polaris is what Polaris takes.

The pages of tests/admin and tests/points are looked at as they are asked for there.
"""

import re

import pytest

from app.config import ROOT
from app.web import views
from app.web.forms import Form
from tests.polaris import check

TEMPLATES = ROOT / "templates"
MACRO = re.compile(r"{% macro (\w+)(\(.*?\)) %}")
# only what draws may name elements; App Bridge's menu is neither of the two
DRAWS = {"parts/polaris.html", "layout.html"}
PAGE = """{% import "parts.html" as ui with context %}
{{ ui.badge("Live", "success") }}{{ ui.banner("Late", "On their way", "warning") }}
{% call ui.section("Rules", id="rule", padding="none", note="A note") %}
  {% call ui.stack() %}{% call ui.fields() %}
    {{ ui.field(form, "name", "Name", help="Shown", suffix="points", longest=9, is_required=True) }}
    {{ ui.field(form, "cost", "Costs", "whole") }}{{ ui.field(form, "rate", "Rate", "decimal") }}
    {{ ui.field(form, "day", "Day", "date", last="2026-01-01") }}
    {{ ui.writing(form, "note", "Note", help="For staff") }}
    {{ ui.search("q", "bob", "Search", "Name", **{"hx-get": "/"}) }}
    {{ ui.choose(form, "kind", "Kind", {"a": "A", "b": "B"}) }}
    {{ ui.choices(form, "way", "Way", {"a": ("A", "as A"), "b": ("B", "as B")}, help="See") }}
  {% endcall %}{% call ui.actions("after") %}
    {{ ui.submit("Save", is_primary=True, about="Save it") }}
    {{ ui.action("Open", "/x", is_primary=True, about="Open x", download="x", kind="next") }}
    {{ ui.action("Out", "/y", target="_blank", is_document=True) }}
  {% endcall %}{% endcall %}
  {% call ui.table("All", [("When", "when"), ("Who", "who", "/s", "ascending"),
                           ("Points", "numeric"), ("Act", "unseen")]) %}
    {% call ui.row("row-1") %}{{ ui.cell("now") }}{{ ui.cell(ui.anchor("/b", "Bob", "name")) }}
      {{ ui.cell(7, "numeric") }}
      {% call ui.cell() %}{{ ui.anchor("/o", "Out", is_top=True) }}{% endcall %}
    {% endcall %}
  {% endcall %}
{% endcall %}
{{ ui.crumb("/", "Back") if rendering == "native" }}{{ ui.confirmation() }}"""


def macros(name: str) -> dict[str, str]:
    return dict(MACRO.findall((TEMPLATES / "parts" / name).read_text(encoding="utf-8")))


def drawn(rendering: str) -> str:
    values = {"name": "Mug", "way": "a", "kind": "b"}
    form = Form("f-", values, {"name": "Please give one", "way": "Please choose"})
    page = views.environment.from_string(PAGE)
    return page.render(rendering=rendering, form=form, carry={}, timezone="UTC", link=None)


def test_both_renderings_have_the_same_parts_with_the_same_arguments() -> None:
    native = macros("native.html")
    assert native.pop("around"), "the field of native HTML around what is typed into"
    assert macros("polaris.html") == native


def test_no_page_draws_by_itself() -> None:
    wrong = []
    for path in sorted(TEMPLATES.rglob("*.html")):
        name = str(path.relative_to(TEMPLATES))
        text = path.read_text(encoding="utf-8")
        if name not in DRAWS and re.search(r"</?s-", text):
            wrong.append(f"{name} names elements of Polaris")
        is_page = name.startswith(("points/", "campaigns/", "admin/", "panels/"))
        if is_page and re.search(r"<(table|tr|td|button|select|textarea)\b|class=\"button", text):
            wrong.append(f"{name} draws natively")
    assert wrong == []


def test_every_part_in_polaris_is_what_polaris_takes() -> None:
    found = check.checked(drawn("polaris"))
    assert found.wrong == []
    assert len(found.seen) >= 20


def test_native_parts_have_nothing_of_polaris_and_the_same_fields() -> None:
    native, polaris = drawn("native"), drawn("polaris")
    assert "<s-" not in native
    fields = [set(re.findall(r'\bname="(\w+)"', html)) for html in (native, polaris)]
    assert fields[0] == fields[1] == {"name", "cost", "rate", "day", "note", "q", "kind", "way"}


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ("<s-bagde>x</s-bagde>", "there is no <s-bagde>"),
        ('<s-badge tone="red">x</s-badge>', "<s-badge tone> takes no 'red'"),
        ('<s-badge colour="red">x</s-badge>', "<s-badge> takes no colour"),
        ('<s-text-field maxlength="many"></s-text-field>', "takes no 'many'"),
        ('<s-button disabled="no">x</s-button>', "takes no 'no'"),
        ('<s-page><s-button slot="main">x</s-button></s-page>', "<s-page> has no slot main"),
        ("<s-table-row></s-table-row>", "<s-table-row> stands in <>"),
        ('<p><b slot="aside">x</b></p>', "none of Polaris"),
    ],
)
def test_the_check_finds_what_it_looks_for(html: str, said: str) -> None:
    assert said in " ".join(check.wrong(html))


def test_the_facts_are_those_of_all_elements() -> None:
    assert len(check.FACTS) == 62
