"""Puts the widget into the theme extension, for `shopify app deploy`: the assets of one have no
folders, so its locales come to lie beside its scripts.
"""

import shutil

from app.config import ROOT

WIDGET = ROOT / "static" / "widget"
ASSETS = ROOT / "extensions" / "loyalty-theme" / "assets"


def assemble() -> int:
    """Make the assets anew from the widget; their number."""
    shutil.rmtree(ASSETS, ignore_errors=True)
    ASSETS.mkdir()
    for path in sorted(WIDGET.glob("*.js")):
        script = path.read_text("utf-8").replace('"./locales/', '"./')
        (ASSETS / path.name).write_text(script, "utf-8")
    for path in sorted((WIDGET / "locales").glob("*.json")):
        shutil.copyfile(path, ASSETS / path.name)
    return len(list(ASSETS.iterdir()))


if __name__ == "__main__":
    print(f"{assemble()} files are in {ASSETS.relative_to(ROOT)}.")
