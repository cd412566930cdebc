"""What Polaris takes, and a stand-in for it, since the real one cannot be reached by tests."""

from pathlib import Path

HERE = Path(__file__).parent


def stand_in() -> str:
    """The script that stands where Polaris' own would."""
    names = ("stand_in.js", "stand_in_fields.js")
    scripts = "".join((HERE / name).read_text(encoding="utf-8") for name in names)
    facts = (HERE / "facts.json").read_text(encoding="utf-8")
    return f'"use strict"; (() => {{ const FACTS = {facts};\n{scripts}}})();'
