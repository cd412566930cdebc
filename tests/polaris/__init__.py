"""What Polaris takes, and a stand-in for it, since the real one cannot be reached by tests."""

from pathlib import Path

HERE = Path(__file__).parent


def stand_in() -> str:
    """The script that stands where Polaris' own would."""
    facts, script = HERE / "facts.json", HERE / "stand_in.js"
    return f"const FACTS = {facts.read_text()};\n{script.read_text()}"
