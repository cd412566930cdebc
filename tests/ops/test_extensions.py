"""What Shopify is told of the app says what the app says itself, and the extensions are whole."""

import json
import re
import tomllib
from pathlib import Path
from urllib.parse import urlparse

import pytest

from app import config as settings
from app.shopify.payloads import TRANSLATORS
from devstore.api.tokens import SCOPE
from ops import extensions

ROOT = settings.ROOT
APP = tomllib.loads((ROOT / "shopify.app.toml").read_text())
VERSION = settings.load({}).api_version
EXTENSIONS = sorted(ROOT.glob("extensions/*/shopify.extension.toml"))
NAMED = re.compile(r'(?:from |import\()?"(\.{1,2}/[^"]+\.(?:js|json))"')


def test_the_app_asks_for_the_topics_it_reads_and_the_scopes_it_uses() -> None:
    asked = APP["webhooks"]["subscriptions"]
    topics = {one for part in asked for one in part.get("topics", [])}
    compliance = {one for part in asked for one in part.get("compliance_topics", [])}
    assert topics | compliance == set(TRANSLATORS)
    assert {one["uri"] for one in asked} == {"/webhooks"}
    assert APP["access_scopes"]["scopes"] == SCOPE


@pytest.mark.parametrize("path", EXTENSIONS, ids=lambda path: path.parent.name)
def test_every_extension_speaks_the_version_the_app_speaks(path: Path) -> None:
    assert tomllib.loads(path.read_text())["api_version"] == VERSION
    assert APP["webhooks"]["api_version"] == VERSION


def test_shoppers_reach_the_app_where_the_widget_looks_for_it() -> None:
    proxy = APP["app_proxy"]
    assert urlparse(proxy["url"]).path.rstrip("/") == "/storefront"
    block = (ROOT / "extensions/loyalty-theme/blocks/holdfast.liquid").read_text()
    schema = json.loads(block.partition("{% schema %}")[2].partition("{% endschema %}")[0])
    assert schema["settings"][0]["default"] == f"/{proxy['prefix']}/{proxy['subpath']}"


def test_everything_the_theme_prints_is_escaped_and_known_to_the_widget() -> None:
    block = (ROOT / "extensions/loyalty-theme/blocks/holdfast.liquid").read_text()
    printed = re.findall(r'([a-z]+)="\{\{ (.*?) \}\}"', block)
    assert {how.split(" | ")[-1] for _, how in printed} == {"escape", "asset_url", "page"}
    scripts = "".join(path.read_text() for path in extensions.WIDGET.glob("*.js"))
    for name, _ in printed:
        assert name == "src" or f'getAttribute("{name}")' in scripts


def test_what_the_assets_of_the_theme_ask_for_lies_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extensions, "ASSETS", tmp_path / "assets")
    assert extensions.assemble() == len(list((tmp_path / "assets").iterdir()))
    named = set()
    for path in (tmp_path / "assets").glob("*.js"):
        named |= {(tmp_path / "assets" / one).resolve() for one in NAMED.findall(path.read_text())}
    assert len(named) > 10
    assert [str(one) for one in named if not one.is_file()] == []
